// SPDX-FileCopyrightText: 2026 The trt_segmentation authors
// SPDX-License-Identifier: Apache-2.0

// The network's answer to label map, confidence and overlay at camera size, in one pass.
// A thread has four camera pixels of each of ROWS rows, so that it stores words and shares logits
// between neighbours; blockIdx.z is the image of the batch.
//
// -D ANSWER=float | ANSWER=half_bits | ANSWER=int ...   -D KIND=LOGITS|SIGMOID|LABELS|
//     PROBABILITIES|PROBABILITY: as LOGITS and SIGMOID, after a softmax or sigmoid already
// -D COL_STRIDE=n: elements from column to column where that is known, so that it costs nothing
// -D LABEL=u8|u16   -D CONFIDENCE=0|1   -D CLASSES=n
// -D ROWS=n   -D UNROLL=n: classes whose logits are loaded at once

#define LOGITS 0
#define SIGMOID 1
#define LABELS 2
#define PROBABILITIES 3
#define PROBABILITY 4
struct half_bits { u16 bits; };

// Mirrored by gpu/postprocess.py. Positions are in cells of the answer's grid.
struct View {
    Image image;
    LABEL* labels;
    u8* confidence;               // null where not wanted
    u8* overlay;                  // BGR; null where not wanted
    float row_scale, row_offset;  // camera pixel i lies at (i + 0.5) * scale + offset
    float col_scale, col_offset;
    int row_from, row_to;         // camera pixels the network sees
    int col_from, col_to;
    int row_new, row_place;       // network pixels the camera's rows are resized to; before them
    int col_new, col_place;
};
struct Postprocess {
    const ANSWER* answer;
    long long image_stride;       // elements
    int class_stride, row_stride, col_stride;
    int height, width;
    const u8* palette;            // B, G, R, 0 for every class
    float alpha;                  // share of the palette's colour in the overlay
    float threshold;              // value from which a pixel of one channel is class 1
    int net_height, net_width;    // of the network's input
    View views[IMAGES];
};
static_assert(sizeof(View) == 128 && sizeof(Postprocess) == 64 + IMAGES * 128,
              "gpu/postprocess.py mirrors these");

#ifndef COL_STRIDE
#define COL_STRIDE p.col_stride
#endif

constexpr LABEL UNLABELLED = LABEL(-1);
constexpr int PIXELS = 4;
// Columns and rows of the answer that a thread's pixels touch, where the answer is coarser.
constexpr int COLUMNS = PIXELS;
constexpr int LINES = ROWS + 1;

__device__ __forceinline__ float number(float value) { return value; }
__device__ __forceinline__ float number(half_bits value)
{
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
    return wide;
}
template <class T>
__device__ __forceinline__ float number(T value) { return float(value); }

// As number(), with the host's stand-ins for what is not finite: NaN never wins.
template <class T>
__device__ __forceinline__ float finite(T value)
{
    return fminf(fmaxf(number(value), -1e30f), 1e30f);
}

// Between two neighbours. Written so that a result is not finite whenever one of them is not.
__device__ __forceinline__ float blend(float a, float b, float t)
{
    return fmaf(b, t, a * (1.0f - t));
}

// Where a position lies between cell centres.
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

// A pixel whose best logit is below had no number within reach in any class.
constexpr float NOBODY = -1e20f;

// Whether the confidence is a softmax over the logits.
#define SUMS (CONFIDENCE && KIND == LOGITS)

// The largest logit so far; of equal ones the first.
struct Winner {
    float best;
    int id;
#if SUMS
    float sum;                    // of exp(logit - best)
#endif
    __device__ __forceinline__ void start()
    {
        best = -3e38f;
        id = 0;
#if SUMS
        sum = 0;
#endif
    }
    __device__ __forceinline__ void meet(float logit, int other)
    {
#if SUMS
        const float gap = logit - best;
        const float power = __expf(-fabsf(gap));
        sum = gap > 0 ? sum * power + 1.0f : sum + power;
#endif
        if (logit > best) {
            best = logit;
            id = other;
        }
    }
};

struct Answer {
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
__device__ __forceinline__ void finish(const Winner* winner, Answer& answer)
{
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        const bool somebody = winner[j].best >= NOBODY;
        answer.id[j] = somebody ? winner[j].id : UNLABELLED;
#if SUMS
        answer.probability[j] = somebody ? 1.0f / winner[j].sum : 0.0f;
#elif CONFIDENCE
        answer.probability[j] = __saturatef(winner[j].best);
#endif
    }
}

// What each of COUNT positions takes of CELLS cells in a row, most of it nothing. Multiplying by
// nothing is cheaper than choosing: it runs beside the comparisons instead of before them.
template <int COUNT, int CELLS>
struct Shares {
    int base;                     // the first cell
    float of[COUNT][CELLS];
    bool fits;                    // no position reaches beyond the cells

    __device__ __forceinline__ Shares(const Place* place, int size)
    {
        base = min(place[0].low, size - CELLS);
        fits = base >= 0 && place[COUNT - 1].high - base < CELLS;
#pragma unroll
        for (int i = 0; i < COUNT; i++)
#pragma unroll
            for (int k = 0; k < CELLS; k++) {
                const int cell = base + k;
                of[i][k] = cell == place[i].low ? 1.0f - place[i].t
                    : cell == place[i].high ? place[i].t : 0.0f;
            }
    }
};

template <int CELLS>
__device__ __forceinline__ float mixed(const float* values, const float* shares)
{
    float sum = values[0] * shares[0];
#pragma unroll
    for (int k = 1; k < CELLS; k++)
        sum = fmaf(values[k], shares[k], sum);
    return sum;
}

// Pixels that share LINES x COLUMNS logits of a class. False where one was not finite; the
// winners mean nothing then.
__device__ __forceinline__ bool argmax_shared(
    const Postprocess& p, const ANSWER* answer, const Shares<ROWS, LINES>& rows,
    const Shares<PIXELS, COLUMNS>& cols, Winner (&winner)[ROWS][PIXELS])
{
    const ANSWER* line[LINES];
#pragma unroll
    for (int i = 0; i < LINES; i++)
        line[i] = answer + (rows.base + i) * p.row_stride + cols.base * COL_STRIDE;
    float zero = 0;  // NaN once a logit is not finite, as even nothing of it is not nothing
#pragma unroll UNROLL
    for (int c = 0; c < CLASSES; c++) {
        float column[COLUMNS][LINES];
#pragma unroll
        for (int i = 0; i < LINES; i++) {
#pragma unroll
            for (int k = 0; k < COLUMNS; k++)
                column[k][i] = number(line[i][k * COL_STRIDE]);
            line[i] += p.class_stride;
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float v[COLUMNS];
#pragma unroll
            for (int k = 0; k < COLUMNS; k++)
                v[k] = mixed<LINES>(column[k], rows.of[r]);
#pragma unroll
            for (int j = 0; j < PIXELS; j++) {
                const float logit = mixed<COLUMNS>(v, cols.of[j]);
                winner[r][j].meet(logit, c);
                if (r == 0 && j == 0)
                    zero = fmaf(logit, 0.0f, zero);
            }
        }
    }
    return zero == 0;
}

__device__ __forceinline__ void argmax_apart(const Postprocess& p, const ANSWER* answer,
                                          const Place& row, const View& view, int x,
                                          Winner (&winner)[PIXELS])
{
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        const Place col = col_place(p, view, x + j);
        const ANSWER* upper = answer + row.low * p.row_stride;
        const ANSWER* lower = answer + row.high * p.row_stride;
        const int left = col.low * COL_STRIDE, right = col.high * COL_STRIDE;
        winner[j].start();
#pragma unroll 2
        for (int c = 0; c < CLASSES; c++) {
            winner[j].meet(blend(blend(finite(upper[left]), finite(lower[left]), row.t),
                                 blend(finite(upper[right]), finite(lower[right]), row.t),
                                 col.t), c);
            upper += p.class_stride;
            lower += p.class_stride;
        }
    }
}

__device__ __forceinline__ void answers_at(const Postprocess& p, const View& view, int x, int y,
                                           Answer (&answer)[ROWS])
{
    const ANSWER* first = p.answer + blockIdx.z * p.image_stride;
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
            winner[r][j].start();
    }
    const Shares<ROWS, LINES> rows(row, p.height);
    const Shares<PIXELS, COLUMNS> cols(col, p.width);
    const bool good = rows.fits && cols.fits && argmax_shared(p, first, rows, cols, winner);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (!good)
            argmax_apart(p, first, row_place(p, view, y + r), view, x, winner[r]);
        finish(winner[r], answer[r]);
    }
}

#elif KIND == SIGMOID || KIND == PROBABILITY
__device__ __forceinline__ Answer answer_at(const Postprocess& p, const View& view, int x, int y)
{
    const ANSWER* answer = p.answer + blockIdx.z * p.image_stride;
    const Place row = row_place(p, view, y);
    const ANSWER* upper = answer + row.low * p.row_stride;
    const ANSWER* lower = answer + row.high * p.row_stride;
    Answer result;
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        const Place col = col_place(p, view, x + j);
        const int left = col.low * p.col_stride, right = col.high * p.col_stride;
        const float logit = blend(blend(finite(upper[left]), finite(lower[left]), row.t),
                                  blend(finite(upper[right]), finite(lower[right]), row.t), col.t);
        const bool one = logit >= p.threshold;
        const bool somebody = logit >= NOBODY;
        result.id[j] = somebody ? one : UNLABELLED;
#if KIND == PROBABILITY
        const float sure = __saturatef(one ? logit : 1.0f - logit);
#else
        const float sure = 1.0f / (1.0f + __expf(one ? -logit : logit));
#endif
        result.probability[j] = somebody ? sure : 0.0f;
    }
    return result;
}

#else
// In whole numbers, so that no rounding decides which cell's label a pixel on the border has.
__device__ __forceinline__ int cell(int pixel, int resized, int camera, int place, int net,
                                    int size)
{
    const long long over = (2LL * pixel + 1) * resized + 2LL * camera * place;
    return min(max(int(over * size / (2LL * camera * net)), 0), size - 1);
}

__device__ __forceinline__ Answer answer_at(const Postprocess& p, const View& view, int x, int y)
{
    const ANSWER* answer = p.answer + blockIdx.z * p.image_stride
        + (long long)p.row_stride * cell(y, view.row_new, view.image.height, view.row_place,
                                         p.net_height, p.height);
    Answer result;
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        const int col = cell(x + j, view.col_new, view.image.width, view.col_place, p.net_width,
                             p.width);
        const long long id = number(answer[col * p.col_stride]);
        result.id[j] = id >= 0 && id < CLASSES ? int(id) : int(UNLABELLED);
        result.probability[j] = 0;
    }
    return result;
}
#endif

#if KIND != LOGITS && KIND != PROBABILITIES
__device__ __forceinline__ void answers_at(const Postprocess& p, const View& view, int x, int y,
                                           Answer (&answer)[ROWS])
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        answer[r] = answer_at(p, view, x, y + r);
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
        Color color = image.yuv ? color_at<true>(image, row, chroma, x + j)
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

// WORDS 4-byte words, or what of their bytes there is where a row does not start at a word.
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
                                      const Answer& answer)
{
    const int width = view.image.width;
    const bool whole = width % PIXELS == 0;
    const int count = min(width - x, PIXELS);
    const long long at = (long long)y * width + x;
    u8 bytes[PIXELS * 3];
#pragma unroll
    for (int j = 0; j < PIXELS; j++) {
        bytes[j * sizeof(LABEL)] = answer.id[j];
        if (sizeof(LABEL) == 2)
            bytes[j * 2 + 1] = answer.id[j] >> 8;
    }
    store<sizeof(LABEL)>(reinterpret_cast<u8*>(view.labels + at), bytes, whole,
                         count * sizeof(LABEL));
    if (CONFIDENCE && view.confidence) {
#pragma unroll
        for (int j = 0; j < PIXELS; j++)
            bytes[j] = __float2int_rn(answer.probability[j] * 255.0f);
        store<1>(view.confidence + at, bytes, whole, count);
    }
    if (view.overlay) {
        paint(p, view, x, y, count, answer.id, bytes);
        store<3>(view.overlay + at * 3, bytes, whole, count * 3);
    }
}

extern "C" __global__ void __launch_bounds__(128) postprocess(
    const __grid_constant__ Postprocess p)
{
    const View& view = p.views[blockIdx.z];
    const int x = (blockIdx.x * blockDim.x + threadIdx.x) * PIXELS;
    const int y = (blockIdx.y * blockDim.y + threadIdx.y) * ROWS;
    if (x >= view.image.width || y >= view.image.height)
        return;
    Answer answer[ROWS];
    const bool seen = y + ROWS > view.row_from && y < view.row_to && x < view.col_to
        && x + PIXELS > view.col_from;
    if (seen)
        answers_at(p, view, x, y, answer);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
        for (int j = 0; j < PIXELS; j++)
            if (!seen || y + r < view.row_from || y + r >= view.row_to
                || x + j < view.col_from || x + j >= view.col_to) {
                answer[r].id[j] = UNLABELLED;
                answer[r].probability[j] = 0;
            }
        if (y + r < view.image.height)
            write(p, view, x, y + r, answer[r]);
    }
}
