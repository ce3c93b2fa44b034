// SPDX-FileCopyrightText: 2026 The trt_segmentation authors
// SPDX-License-Identifier: Apache-2.0

// Computes the network's input tensor from the camera image in one pass. This pass converts the
// colors, resizes and pads the image, reorders the channels and normalises the numbers. One thread
// computes one pixel of the tensor, which is called a network pixel. blockIdx.z is the index of
// the image in the batch.
//
// -D OUT=32|16|8: bits of one number in the tensor (float, half, u8)
// -D CHANNELS=3|1   -D CHANNELS_LAST=0|1
// -D RECTIFY=0|1: whether the kernel can rectify images. It rectifies only images with a lookup.

// preprocess.py has the same two structures.
struct View {
    Image image;
    const float* lookup;        // see rectified_at(); null: the image is not rectified
    int rows, cols;             // size of the image part after the resize, in network pixels
    int top, left;              // where the resized part begins in the tensor; < 0: cropped
    int first_row, first_col;   // first pixel of the part of the image that the network sees
    int part_rows, part_cols;   // size of this part in camera pixels
    float row_scale, col_scale; // camera pixels for each network pixel
    int row_area, col_area;     // 1: average the covered camera pixels; 0: interpolate
};
struct Preprocess {
    void* tensor;
    int height, width;
    int swap;                   // 1: the tensor's channels are B, G, R
    float gain[3], bias[3];     // value = color * gain + bias
    float pad;                  // color of network pixels outside the camera image
    View views[IMAGES];
};
static_assert(sizeof(View) == 112 && sizeof(Preprocess) == 48 + IMAGES * 112,
              "preprocess.py must have the same structures");

// The camera pixels that contribute to one network pixel, along one axis.
struct Taps {
    int first, count;
    float from, to;             // averaging: the covered interval, in camera pixels
    float blend;                // averaging: weight of a fully covered camera pixel;
                                // interpolating: weight of the second camera pixel

    __device__ __forceinline__ Taps(int position, float scale, bool area, int size)
    {
        if (area) {
            from = fminf(position * scale, size - 1.0f);
            to = fminf((position + 1) * scale, float(size));
            first = int(from);
            count = max(min(int(ceilf(to)), size) - first, 1);
            blend = 1.0f / (to - from);
        } else {
            float center = fminf(fmaxf((position + 0.5f) * scale - 0.5f, 0.0f), size - 1.0f);
            first = int(center);
            blend = center - first;
            count = blend > 0 ? 2 : 1;
            from = to = 0;
        }
    }
    __device__ __forceinline__ float weight(int tap, bool area) const
    {
        if (area)
            return (fminf(first + tap + 1.0f, to) - fmaxf(float(first + tap), from)) * blend;
        return tap ? blend : 1.0f - blend;
    }
};

template <bool YUV, bool LOOKUP>
__device__ __forceinline__ Color resampled(const View& view, const Taps& rows, const Taps& cols,
                                           float pad)
{
    const Image& image = view.image;
    Color sum = {0, 0, 0};
    for (int i = 0; i < rows.count; i++) {
        const int y = view.first_row + rows.first + i;
        const u8* row = row_of(image, y);
        const u8* chroma = chroma_of(image, y);
        Color line = {0, 0, 0};
        for (int j = 0; j < cols.count; j++) {
            const int x = view.first_col + cols.first + j;
            Color color = LOOKUP ? rectified_at<YUV>(image, view.lookup, x, y, pad)
                                 : color_at<YUV>(image, row, chroma, x);
            float weight = cols.weight(j, view.col_area);
            line.r += color.r * weight;
            line.g += color.g * weight;
            line.b += color.b * weight;
        }
        float weight = rows.weight(i, view.row_area);
        sum.r += line.r * weight;
        sum.g += line.g * weight;
        sum.b += line.b * weight;
    }
    return sum;
}

__device__ __forceinline__ void store(void* tensor, size_t at, float value)
{
#if OUT == 32
    static_cast<float*>(tensor)[at] = value;
#elif OUT == 16
    u16 half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    static_cast<u16*>(tensor)[at] = half;
#else
    static_cast<u8*>(tensor)[at] = __float2int_rn(clip255(value));
#endif
}

extern "C" __global__ void __launch_bounds__(256) preprocess(const __grid_constant__ Preprocess p)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    const int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= p.width || y >= p.height)
        return;
    const View& view = p.views[blockIdx.z];
    const int row = y - view.top, col = x - view.left;
    Color color = {p.pad, p.pad, p.pad};
    if (row >= 0 && row < view.rows && col >= 0 && col < view.cols) {
        const Taps rows(row, view.row_scale, view.row_area, view.part_rows);
        const Taps cols(col, view.col_scale, view.col_area, view.part_cols);
        if (RECTIFY && view.lookup)
            color = view.image.yuv ? resampled<true, true>(view, rows, cols, p.pad)
                                   : resampled<false, true>(view, rows, cols, p.pad);
        else
            color = view.image.yuv ? resampled<true, false>(view, rows, cols, p.pad)
                                   : resampled<false, false>(view, rows, cols, p.pad);
    }
    const size_t plane = (size_t)p.height * p.width;
    const size_t pixel = (size_t)y * p.width + x;
    const size_t image = blockIdx.z * plane * CHANNELS;
#if CHANNELS == 1
    const float gray = 0.299f * color.r + 0.587f * color.g + 0.114f * color.b;
    store(p.tensor, image + pixel, gray * p.gain[0] + p.bias[0]);
#else
    const float channel[3] = {p.swap ? color.b : color.r, color.g, p.swap ? color.r : color.b};
#pragma unroll
    for (int c = 0; c < 3; c++)
        store(p.tensor, image + (CHANNELS_LAST ? pixel * 3 + c : c * plane + pixel),
              channel[c] * p.gain[c] + p.bias[c]);
#endif
}
