// SPDX-FileCopyrightText: 2026 The trt_segmentation authors
// SPDX-License-Identifier: Apache-2.0

// Computes the label map, the confidence and the overlay from the network output, in one pass. The
// results have the size of the camera image. A thread computes four neighbouring camera pixels in
// each of ROWS rows. So a thread can store whole words, and can use a logit for several pixels.
// blockIdx.z is the index of the image in the batch.
//
// -D OUTPUT=float|half_bits|int|...: type of the network output's elements
// -D KIND=LOGITS|SIGMOID|LABELS|PROBABILITIES|PROBABILITY: meaning of the network output.
//     PROBABILITIES are logits after a softmax. PROBABILITY is one channel after a sigmoid.
// -D COL_STRIDE=n: elements from column to column; if undefined, p.col_stride has the number
// -D LABEL=u8|u16: type of the label map   -D CLASSES=n
// -D CONFIDENCE=0|1: whether the kernel can compute confidences; see confidence in struct View
// -D RECTIFY=0|1: whether the overlay can be rectified; see lookup in struct View
// -D TALLY=0|1: whether the kernel computes the tally of each image; see trust/tally.py
// -D ROWS=n: number of rows in which a thread computes pixels
// -D UNROLL=n: number of classes whose logits a thread loads at once

#define LOGITS 0
#define SIGMOID 1
#define LABELS 2
#define PROBABILITIES 3
#define PROBABILITY 4
struct half_bits { u16 bits; };

// postprocess.py has the same two structures. The network output is a grid of cells. A position is
// measured in cells of this grid.
struct View {
    Image image;
    LABEL* labels;
    u8* confidence;               // null: not wanted
    u8* overlay;                  // BGR; null: not wanted
    u32* tally;                   // null: not wanted
    const u8* hidden;             // a pixel with 1 is unlabelled; null: no such pixel
    const float* lookup;          // see rectified_at(); null: the image is not rectified
    float row_scale, row_offset;  // camera pixel i lies at (i + 0.5) * scale + offset
    float col_scale, col_offset;
    int row_from, row_to;         // first image row that the network sees, and last such row + 1
    int col_from, col_to;
    int row_new, row_shift;       // see cell()
    int col_new, col_shift;
    int part_rows, part_cols;     // size of the part of the image that the network sees
    int overlay_step;             // 2: the overlay has every second row and column; 1: all
    float pad;                    // color of overlay pixels that the camera image does not show
};
struct Postprocess {
    const OUTPUT* output;
    long long image_stride;       // elements from image to image
    int class_stride, row_stride, col_stride;
    int height, width;
    const u8* palette;            // B, G, R, 0 for every class
    float alpha;                  // weight of the palette's colour in the overlay
    float threshold;              // with one channel: from this value on, a pixel is class 1
    int net_height, net_width;    // size of the network's input
    float sharpness;              // 1 / temperature: a score is multiplied by this number
    int tally_rows;               // number of block rows that compute the tally; 0 if TALLY is 0
    u32* totals;                  // for each image, WORDS tally numbers and the number of
                                  // finished blocks. All numbers are 0 between two launches.
    View views[IMAGES];
};
static_assert(sizeof(View) == 168 && sizeof(Postprocess) == 80 + IMAGES * 168,
              "postprocess.py must have the same structures");

#ifndef COL_STRIDE
#define COL_STRIDE p.col_stride
#endif

constexpr LABEL UNLABELLED = LABEL(-1);
constexpr int PIXELS = 4;
// Number of columns and rows of logits that a thread loads for all its pixels. They are usually
// enough, because the camera image usually has more pixels than the network output.
constexpr int COLUMNS = PIXELS;
constexpr int LINES = ROWS + 1;

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(half_bits value)
{
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
    return wide;
}
template <class T>
__device__ __forceinline__ float to_float(T value) { return float(value); }

// Replace infinities and NaN, as host/postprocess.py does, so that NaN never wins.
template <class T>
__device__ __forceinline__ float to_finite(T value)
{
    return fminf(fmaxf(to_float(value), -1e30f), 1e30f);
}

// Interpolate between two neighbours. If a neighbour is not finite, the result is not finite.
__device__ __forceinline__ float blend(float a, float b, float t)
{
    return fmaf(b, t, a * (1.0f - t));
}

// A position between the centres of two cells, and the weight t of the second cell.
struct Place {
    int low, high;
    float t;
    __device__ __forceinline__ Place() {}
    __device__ __forceinline__ Place(float position, int size)
    {
        position = fminf(fmaxf(position - 0.5f, 0.0f), size - 1.0f);
        low = int(position);
        high = min(low + 1, size - 1);
        t = position - low;
    }
};

// A best logit below this value means that each class has a NaN or minus infinity in at least one
// of the four cells around the pixel.
constexpr float NO_NUMBER = -1e20f;

// Whether the confidence is computed with a softmax over the logits.
#define SUMS (CONFIDENCE && KIND == LOGITS)

// The largest logit until now, and its class. If two classes have this logit, the lower id wins.
struct Winner {
    float best;
    int id;
#if SUMS
    float sum;                    // sum of exp(logit - best)
#endif
    __device__ __forceinline__ void reset()
    {
        best = -3e38f;
        id = 0;
#if SUMS
        sum = 0;
#endif
    }
    __device__ __forceinline__ void offer(float logit, int other, float sharpness)
    {
#if SUMS
        const float gap = (logit - best) * sharpness;
        const float power = __expf(-fabsf(gap));
        sum = gap > 0 ? sum * power + 1.0f : sum + power;
#endif
        if (logit > best) {
            best = logit;
            id = other;
        }
    }
};

struct Result {
    int id[PIXELS];
    float probability[PIXELS];
};

__device__ __forceinline__ Place row_place(const Postprocess& p, const View& view, int y)
{
    return Place((y + 0.5f) * view.row_scale + view.row_offset, p.height);
}

__device__ __forceinline__ Place col_place(const Postprocess& p, const View& view, int x)
{
    return Place((x + 0.5f) * view.col_scale + view.col_offset, p.width);
}

#if KIND == LOGITS || KIND == PROBABILITIES
__device__ __forceinline__ void finish(const Winner* winner, Result& result)
{
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        const bool has_number = winner[j].best >= NO_NUMBER;
        result.id[j] = has_number ? winner[j].id : UNLABELLED;
#if SUMS
        result.probability[j] = has_number ? 1.0f / winner[j].sum : 0.0f;
#elif CONFIDENCE
        result.probability[j] = __saturatef(winner[j].best);
#endif
    }
}

// For each of COUNT positions, the weights of CELLS neighbouring cells. At most two weights of a
// position are not zero, but code that selects these two cells would cost more.
template <int COUNT, int CELLS>
struct Weights {
    int base;                     // the first cell
    float at[COUNT][CELLS];
    bool fits;                    // whether every position lies within the cells

    __device__ __forceinline__ Weights(const Place* place, int size)
    {
        base = min(place[0].low, size - CELLS);
        fits = base >= 0 && place[COUNT - 1].high - base < CELLS;
#pragma unroll
        for (int i = 0; i < COUNT; i++)
#pragma unroll
            for (int k = 0; k < CELLS; k++) {
                const int cell = base + k;
                at[i][k] = cell == place[i].low ? 1.0f - place[i].t
                    : cell == place[i].high ? place[i].t : 0.0f;
            }
    }
};

template <int CELLS>
__device__ __forceinline__ float weighted_sum(const float* values, const float* weights)
{
    float sum = values[0] * weights[0];
#pragma unroll
    for (int k = 1; k < CELLS; k++)
        sum = fmaf(values[k], weights[k], sum);
    return sum;
}

// Find the winning classes of pixels that share LINES x COLUMNS logits of each class. If a logit
// is not finite, return false. In this case, the winners are invalid.
__device__ __forceinline__ bool argmax_shared(
    const Postprocess& p, const OUTPUT* output, const Weights<ROWS, LINES>& rows,
    const Weights<PIXELS, COLUMNS>& cols, Winner (&winner)[ROWS][PIXELS])
{
    const OUTPUT* line[LINES];
#pragma unroll
    for (int i = 0; i < LINES; i++)
        line[i] = output + (rows.base + i) * p.row_stride + cols.base * COL_STRIDE;
    float zero = 0;  // becomes NaN if a logit is not finite, because zero times NaN is NaN
#pragma unroll UNROLL
    for (int c = 0; c < CLASSES; c++) {
        float column[COLUMNS][LINES];
#pragma unroll
        for (int i = 0; i < LINES; i++) {
#pragma unroll
            for (int k = 0; k < COLUMNS; k++)
                column[k][i] = to_float(line[i][k * COL_STRIDE]);
            line[i] += p.class_stride;
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float v[COLUMNS];
#pragma unroll
            for (int k = 0; k < COLUMNS; k++)
                v[k] = weighted_sum<LINES>(column[k], rows.at[r]);
#pragma unroll
            for (int j = 0; j < PIXELS; j++) {
                const float logit = weighted_sum<COLUMNS>(v, cols.at[j]);
                winner[r][j].offer(logit, c, p.sharpness);
                if (r == 0 && j == 0)
                    zero = fmaf(logit, 0.0f, zero);
            }
        }
    }
    return zero == 0;
}

// Find the winning classes without shared logits. The logits may be infinite or NaN.
__device__ __forceinline__ void argmax_each(const Postprocess& p, const OUTPUT* output,
                                          const Place& row, const View& view, int x,
                                          Winner (&winner)[PIXELS])
{
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        const Place col = col_place(p, view, x + j);
        const OUTPUT* upper = output + row.low * p.row_stride;
        const OUTPUT* lower = output + row.high * p.row_stride;
        const int left = col.low * COL_STRIDE, right = col.high * COL_STRIDE;
        winner[j].reset();
#pragma unroll 2
        for (int c = 0; c < CLASSES; c++) {
            winner[j].offer(blend(blend(to_finite(upper[left]), to_finite(lower[left]), row.t),
                                 blend(to_finite(upper[right]), to_finite(lower[right]), row.t),
                                 col.t), c, p.sharpness);
            upper += p.class_stride;
            lower += p.class_stride;
        }
    }
}

__device__ __forceinline__ void results_at(const Postprocess& p, const View& view, int x, int y,
                                           Result (&result)[ROWS])
{
    const OUTPUT* first = p.output + blockIdx.z * p.image_stride;
    Place row[ROWS], col[PIXELS];
    Winner winner[ROWS][PIXELS];
#pragma unroll
    for (int j = 0; j < PIXELS; j++)
        col[j] = col_place(p, view, x + j);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        row[r] = row_place(p, view, y + r);
#pragma unroll
        for (int j = 0; j < PIXELS; j++)
            winner[r][j].reset();
    }
    const Weights<ROWS, LINES> rows(row, p.height);
    const Weights<PIXELS, COLUMNS> cols(col, p.width);
    const bool good = rows.fits && cols.fits && argmax_shared(p, first, rows, cols, winner);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (!good)
            argmax_each(p, first, row_place(p, view, y + r), view, x, winner[r]);
        finish(winner[r], result[r]);
    }
}

#elif KIND == SIGMOID || KIND == PROBABILITY
__device__ __forceinline__ Result result_at(const Postprocess& p, const View& view, int x, int y)
{
    const OUTPUT* output = p.output + blockIdx.z * p.image_stride;
    const Place row = row_place(p, view, y);
    const OUTPUT* upper = output + row.low * p.row_stride;
    const OUTPUT* lower = output + row.high * p.row_stride;
    Result result;
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        const Place col = col_place(p, view, x + j);
        const int left = col.low * p.col_stride, right = col.high * p.col_stride;
        const float logit = blend(blend(to_finite(upper[left]), to_finite(lower[left]), row.t),
                                  blend(to_finite(upper[right]), to_finite(lower[right]), row.t),
                                  col.t);
        const bool is_one = logit >= p.threshold;
        const bool has_number = logit >= NO_NUMBER;
        result.id[j] = has_number ? is_one : UNLABELLED;
#if KIND == PROBABILITY
        const float probability = __saturatef(is_one ? logit : 1.0f - logit);
#else
        const float probability =
            1.0f / (1.0f + __expf((is_one ? -logit : logit) * p.sharpness));
#endif
        result.probability[j] = has_number ? probability : 0.0f;
    }
    return result;
}

#else
// Return the index of the cell that gives a pixel its label. The numbers are integers, because a
// rounded float position could lie in a neighbouring cell. `part` is the length of the part of the
// image that the network sees. `resized` is this length in network pixels. `shift` is the network
// position of pixel 0, times `part`.
__device__ __forceinline__ int cell(int pixel, int resized, int part, int shift, int net, int size)
{
    const long long over = (2LL * pixel + 1) * resized + 2LL * shift;
    return min(max(int(over * size / (2LL * part * net)), 0), size - 1);
}

__device__ __forceinline__ Result result_at(const Postprocess& p, const View& view, int x, int y)
{
    const OUTPUT* output = p.output + blockIdx.z * p.image_stride
        + (long long)p.row_stride * cell(y, view.row_new, view.part_rows, view.row_shift,
                                         p.net_height, p.height);
    Result result;
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        const int col = cell(x + j, view.col_new, view.part_cols, view.col_shift, p.net_width,
                             p.width);
        const long long id = to_float(output[col * p.col_stride]);
        result.id[j] = id >= 0 && id < CLASSES ? int(id) : int(UNLABELLED);
        result.probability[j] = 0;
    }
    return result;
}
#endif

#if KIND != LOGITS && KIND != PROBABILITIES
__device__ __forceinline__ void results_at(const Postprocess& p, const View& view, int x, int y,
                                           Result (&result)[ROWS])
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        result[r] = result_at(p, view, x, y + r);
}
#endif

__device__ __forceinline__ void paint(const Postprocess& p, const View& view, int x, int y,
                                      int count, const int* id, u8* bytes)
{
    const Image& image = view.image;
    const u8* row = row_of(image, y);
    const u8* chroma = chroma_of(image, y);
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        if (j >= count)
            break;
        Color color;
        if (RECTIFY && view.lookup)
            color = image.yuv ? rectified_at<true>(image, view.lookup, x + j, y, view.pad)
                              : rectified_at<false>(image, view.lookup, x + j, y, view.pad);
        else
            color = image.yuv ? color_at<true>(image, row, chroma, x + j)
                              : color_at<false>(image, row, chroma, x + j);
        if (id[j] != UNLABELLED) {
            const u8* paint = p.palette + id[j] * 4;
            color.b = blend(color.b, paint[0], p.alpha);
            color.g = blend(color.g, paint[1], p.alpha);
            color.r = blend(color.r, paint[2], p.alpha);
        }
        bytes[j * 3] = __float2int_rn(color.b);
        bytes[j * 3 + 1] = __float2int_rn(color.g);
        bytes[j * 3 + 2] = __float2int_rn(color.r);
    }
}

// If `whole` is true, store WORDS words of 4 bytes. If `whole` is false, store `count` bytes.
template <int WORDS>
__device__ __forceinline__ void store(u8* to, const u8* bytes, bool whole, int count)
{
    if (whole) {
#pragma unroll
        for (int i = 0; i < WORDS; i++)
            reinterpret_cast<u32*>(to)[i] = bytes[4 * i] | bytes[4 * i + 1] << 8
                | bytes[4 * i + 2] << 16 | u32(bytes[4 * i + 3]) << 24;
    } else {
#pragma unroll
        for (int i = 0; i < WORDS * 4; i++)
            if (i < count)
                to[i] = bytes[i];
    }
}

__device__ __forceinline__ void write(const Postprocess& p, const View& view, int x, int y,
                                      const Result& result)
{
    const int width = view.image.width;
    const bool whole = width % PIXELS == 0;
    const int count = min(width - x, PIXELS);
    const long long at = (long long)y * width + x;
    u8 bytes[PIXELS * 3];
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        bytes[j * sizeof(LABEL)] = result.id[j];
        if (sizeof(LABEL) == 2)
            bytes[j * 2 + 1] = result.id[j] >> 8;
    }
    store<sizeof(LABEL)>(reinterpret_cast<u8*>(view.labels + at), bytes, whole,
                         count * sizeof(LABEL));
    if (CONFIDENCE && view.confidence) {
#pragma unroll
        for (int j = 0; j < PIXELS; j++)
            bytes[j] = __float2int_rn(result.probability[j] * 255.0f);
        store<1>(view.confidence + at, bytes, whole, count);
    }
    if (view.overlay && view.overlay_step == 1) {
        paint(p, view, x, y, count, result.id, bytes);
        store<3>(view.overlay + at * 3, bytes, whole, count * 3);
    } else if (view.overlay && y % 2 == 0) {
        paint(p, view, x, y, count, result.id, bytes);
        u8* to = view.overlay + ((long long)(y / 2) * ((width + 1) / 2) + x / 2) * 3;
#pragma unroll
        for (int j = 0; j < PIXELS; j += 2)
            if (j < count)
                for (int c = 0; c < 3; c++)
                    to[j / 2 * 3 + c] = bytes[j * 3 + c];
    }
}

#if TALLY
// The first block rows of the grid compute the tally, while the other blocks compute labels. Each
// thread of the first block rows reads one sampled pixel. Each image has its own totals. The block
// that finishes last copies the totals of its image into the tally, and sets the totals to 0 for
// the next launch.
constexpr int MOST_SAMPLES = 128, BINS = 256, ENTROPY_STEPS = 65535;
constexpr int WORDS = CLASSES + 2 + BINS;
constexpr u32 WARP = 0xffffffffu;
constexpr float TINY = 1e-30f;

// The sampled rows (or columns) of an image. sample_pixels() in trust/tally.py returns the same.
struct Samples {
    int first, step, count;
    __device__ __forceinline__ Samples(int from, int to)
    {
        step = max(1, (to - from + MOST_SAMPLES - 1) / MOST_SAMPLES);
        first = from + step / 2;
        count = max(0, (to - first + step - 1) / step);
    }
};

// The label of a sampled pixel, and how certain the network is.
struct Sample {
    int id;                       // CLASSES if the pixel is unlabelled
    float entropy, margin;        // 0 to 1
};

#if KIND == LABELS
__device__ __forceinline__ Sample sample_at(const Postprocess& p, const View& view, int x, int y)
{
    const int row = cell(y, view.row_new, view.part_rows, view.row_shift, p.net_height, p.height);
    const int col = cell(x, view.col_new, view.part_cols, view.col_shift, p.net_width, p.width);
    const long long id = to_float(p.output[blockIdx.z * p.image_stride
                                           + (long long)row * p.row_stride + col * p.col_stride]);
    return {id >= 0 && id < CLASSES ? int(id) : CLASSES, 0, 0};
}
#else
__device__ __forceinline__ Sample sample_at(const Postprocess& p, const View& view, int x, int y)
{
    const OUTPUT* output = p.output + blockIdx.z * p.image_stride;
    const Place row = row_place(p, view, y), col = col_place(p, view, x);
    const OUTPUT* upper = output + row.low * p.row_stride;
    const OUTPUT* lower = output + row.high * p.row_stride;
    const int left = col.low * COL_STRIDE, right = col.high * COL_STRIDE;
    float best = 0, second = 0, sum = 0, moment = 0;
    int id = 0;
    const auto value_of = [&](int c) {
        const OUTPUT* above = upper + (long long)c * p.class_stride;
        const OUTPUT* below = lower + (long long)c * p.class_stride;
        return blend(blend(to_finite(above[left]), to_finite(below[left]), row.t),
                     blend(to_finite(above[right]), to_finite(below[right]), row.t), col.t);
    };
#if KIND == SIGMOID || KIND == PROBABILITY
    const float value = value_of(0);
    const float scaled = fminf(fmaxf(value * p.sharpness, -80.0f), 80.0f);
    const float one = KIND == SIGMOID ? 1.0f / (1.0f + __expf(-scaled)) : value;
    const float a = fminf(fmaxf(one, TINY), 1.0f), b = fminf(fmaxf(1.0f - one, TINY), 1.0f);
    id = value >= p.threshold;
    best = value;
    sum = a + b;
    moment = a * __logf(a) + b * __logf(b);
    const float margin = fabsf(a - b) / sum;
    constexpr int count = 2;
#elif KIND == PROBABILITIES
    float first = 0;              // the largest probability, limited to 0 to 1
    best = -3e38f;
#pragma unroll 2
    for (int c = 0; c < CLASSES; c++) {
        const float value = value_of(c);
        const float part = fminf(fmaxf(value, TINY), 1.0f);
        if (value > best) {
            best = value;
            id = c;
        }
        second = fmaxf(second, fminf(first, part));
        first = fmaxf(first, part);
        sum += part;
        moment += part * __logf(part);
    }
    const float margin = CLASSES == 1 ? 1.0f : (first - second) / sum;
    constexpr int count = CLASSES;
#else
    best = value_of(0);
    second = -3e38f;
    sum = 1;                      // sum of exp(gap), with gap = (score - best) * sharpness
    moment = 0;                   // sum of gap * exp(gap)
#pragma unroll 2
    for (int c = 1; c < CLASSES; c++) {
        const float value = value_of(c);
        const float gap = (value - best) * p.sharpness;
        const float power = __expf(-fabsf(gap));
        if (gap > 0) {
            moment = (moment - sum * gap) * power;
            sum = sum * power + 1.0f;
            second = best;
            best = value;
            id = c;
        } else {
            moment += gap * power;
            sum += power;
            second = fmaxf(second, value);
        }
    }
    const float margin = CLASSES == 1 ? 1.0f
        : (1.0f - __expf((second - best) * p.sharpness)) / sum;
    constexpr int count = CLASSES;
#endif
    const float entropy = __logf(sum) - moment / sum;
    const float most = count == 1 ? 1.0f : __logf(float(count));
    return {best >= NO_NUMBER ? id : CLASSES, entropy / most, margin};
}
#endif

// Add 1 to totals[index] for each thread of the warp. A thread with the index -1 adds nothing.
__device__ __forceinline__ void count_in_warp(u32* totals, int index)
{
    const u32 peers = __match_any_sync(WARP, index);
    const u32 before = (1u << threadIdx.x) - 1;
    if (index >= 0 && (peers & before) == 0)
        atomicAdd(totals + index, __popc(peers));
}

__device__ __forceinline__ void tally(const Postprocess& p, const View& view)
{
    u32* totals = p.totals + (long long)blockIdx.z * (WORDS + 1);
    const int threads = blockDim.x * blockDim.y;
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    const int number = (blockIdx.y * gridDim.x + blockIdx.x) * threads + thread;
    const Samples rows(view.row_from, view.row_to), cols(view.col_from, view.col_to);
    int id = -1, bin = -1;
    u32 steps = 0;
    if (number < rows.count * cols.count) {
        const int x = cols.first + number % cols.count * cols.step;
        const int y = rows.first + number / cols.count * rows.step;
        const Sample sample = sample_at(p, view, x, y);
        const bool is_hidden = view.hidden
            && view.hidden[(long long)y * view.image.width + x];
        id = is_hidden ? CLASSES : sample.id;
        if (KIND != LABELS && id < CLASSES) {
            steps = __float2uint_rn(__saturatef(sample.entropy) * ENTROPY_STEPS);
            bin = min(int(__saturatef(sample.margin) * BINS), BINS - 1);
        }
    }
    count_in_warp(totals, id);
    if (KIND != LABELS) {
        count_in_warp(totals + CLASSES + 2, bin);
#pragma unroll
        for (int distance = 16; distance; distance /= 2)
            steps += __shfl_down_sync(WARP, steps, distance);
        if (threadIdx.x == 0 && steps)
            atomicAdd(totals + CLASSES + 1, steps);
    }
    __shared__ bool is_last;
    __threadfence();              // other blocks must see the totals before this block is counted
    __syncthreads();
    if (thread == 0)
        is_last = atomicAdd(totals + WORDS, 1) + 1 == gridDim.x * p.tally_rows;
    __syncthreads();
    if (!is_last)
        return;
    __threadfence();
    for (int i = thread; i <= WORDS; i += threads) {
        const u32 total = atomicExch(totals + i, 0);
        if (i < WORDS)
            view.tally[i] = total;
    }
}
#define TALLY_ROWS p.tally_rows
#else
#define TALLY_ROWS 0
#endif

extern "C" __global__ void __launch_bounds__(128) postprocess(
    const __grid_constant__ Postprocess p)
{
    const View& view = p.views[blockIdx.z];
#if TALLY
    if (blockIdx.y < p.tally_rows) {
        tally(p, view);
        return;
    }
#endif
    const int x = (blockIdx.x * blockDim.x + threadIdx.x) * PIXELS;
    const int y = ((blockIdx.y - TALLY_ROWS) * blockDim.y + threadIdx.y) * ROWS;
    if (x >= view.image.width || y >= view.image.height)
        return;
    Result result[ROWS];
    const bool seen = y + ROWS > view.row_from && y < view.row_to && x < view.col_to
        && x + PIXELS > view.col_from;
    if (seen)
        results_at(p, view, x, y, result);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const u8* hidden = nullptr;
        if (view.hidden && y + r < view.image.height)
            hidden = view.hidden + (long long)(y + r) * view.image.width + x;
#pragma unroll
        for (int j = 0; j < PIXELS; j++)
            if (!seen || y + r < view.row_from || y + r >= view.row_to
                || x + j < view.col_from || x + j >= view.col_to || (hidden && hidden[j])) {
                result[r].id[j] = UNLABELLED;
                result[r].probability[j] = 0;
            }
        if (y + r < view.image.height)
            write(p, view, x, y + r, result[r]);
    }
}
