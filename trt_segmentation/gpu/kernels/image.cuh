// SPDX-FileCopyrightText: 2026 The trt_segmentation authors
// SPDX-License-Identifier: Apache-2.0

// Describes a camera image in memory, and converts one of its pixels to red, green and blue.
// The compiler reads this file before each of the two kernel files.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

// image.py has the same structure, and sets its members for each encoding.
struct Image {
    const u8* data;       // first byte of the first row; it needs no alignment
    long long chroma;     // bytes from data to the first pair of U and V
    int height;
    int width;
    int step;             // bytes from row to row, also in the second plane
    int yuv;              // 1: each pixel has Y, and pixels share U and V; 0: R, G, B
    int stride;           // bytes from pixel to pixel; if yuv is 1, from Y to Y
    int at0, at1, at2;    // indices of R, G, B in a pixel; yuv: of Y in a pixel, U and V in a pair
    int chroma_stride;    // bytes from one pair of U and V to the next
    int chroma_shift;     // 1: two rows share their pairs; 0: each row has its own pairs
};
static_assert(sizeof(Image) == 56, "image.py has the same structure");

struct Color {
    float r, g, b;        // 0 to 255
};

__device__ __forceinline__ float clip255(float value)
{
    return fminf(fmaxf(value, 0.0f), 255.0f);
}

// Convert Y, U, V (ITU-R BT.601, limited range) to R, G, B. The result is not rounded, so that a
// resized image is rounded only once.
__device__ __forceinline__ Color yuv_color(int y, int u, int v)
{
    const float luma = 255.0f / 219.0f * max(y - 16, 0);
    const float blue = 255.0f / 224.0f * (u - 128), red = 255.0f / 224.0f * (v - 128);
    return {clip255(luma + 1.402f * red),
            clip255(luma - 0.114f * 1.772f / 0.587f * blue - 0.299f * 1.402f / 0.587f * red),
            clip255(luma + 1.772f * blue)};
}

template <bool YUV>
__device__ __forceinline__ Color color_at(const Image& image, const u8* row, const u8* chroma, int x)
{
    const u8* pixel = row + x * image.stride;
    if (YUV) {
        const u8* pair = chroma + (x >> 1) * image.chroma_stride;
        return yuv_color(pixel[image.at0], pair[image.at1], pair[image.at2]);
    }
    return {float(pixel[image.at0]), float(pixel[image.at1]), float(pixel[image.at2])};
}

__device__ __forceinline__ const u8* row_of(const Image& image, int y)
{
    return image.data + (long long)y * image.step;
}

__device__ __forceinline__ const u8* chroma_of(const Image& image, int y)
{
    return image.data + image.chroma + (long long)(y >> image.chroma_shift) * image.step;
}

// Return one pixel of the rectified image, interpolated between four pixels of the camera image
// and rounded like the result of cv2.remap. For each pixel of the rectified image, the lookup has
// a column and a row in the camera image. If the camera image does not show the pixel, they are
// negative.
template <bool YUV>
__device__ __forceinline__ Color rectified_at(const Image& image, const float* lookup, int x, int y,
                                              float pad)
{
    const float* place = lookup + ((long long)y * image.width + x) * 2;
    const float column = place[0], line = place[1];
    if (column < 0 || line < 0)
        return {pad, pad, pad};
    const int left = int(column), top = int(line);
    const int right = min(left + 1, image.width - 1), bottom = min(top + 1, image.height - 1);
    const float across = column - left, down = line - top;
    const u8* upper = row_of(image, top);
    const u8* lower = row_of(image, bottom);
    const u8* upper_chroma = chroma_of(image, top);
    const u8* lower_chroma = chroma_of(image, bottom);
    const Color a = color_at<YUV>(image, upper, upper_chroma, left);
    const Color b = color_at<YUV>(image, upper, upper_chroma, right);
    const Color c = color_at<YUV>(image, lower, lower_chroma, left);
    const Color d = color_at<YUV>(image, lower, lower_chroma, right);
    const float wa = (1 - across) * (1 - down), wb = across * (1 - down);
    const float wc = (1 - across) * down, wd = across * down;
    return {rintf(a.r * wa + b.r * wb + c.r * wc + d.r * wd),
            rintf(a.g * wa + b.g * wb + c.g * wc + d.g * wd),
            rintf(a.b * wa + b.b * wb + c.b * wc + d.b * wd)};
}
