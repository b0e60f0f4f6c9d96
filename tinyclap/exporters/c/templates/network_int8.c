
/* ---- network, INT8: maps are (rows, columns, channels); a block runs row by row ---- */

#ifdef TINYCLAP_CMSIS_NN
#include "arm_nnsupportfunctions.h"
#endif
#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)
#include <arm_acle.h>
#define HAS_DSP 1
#else
#define HAS_DSP 0
#endif
#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE inline
#endif

static image_t to_image(float db)
{
    const float steps = db * (float)IMAGE_STEPS, rounded = steps < 0.0f ? steps - 0.5f : steps + 0.5f;
    return (image_t)(rounded > 32767.0f ? 32767 : rounded < -32768.0f ? -32768 : (int32_t)rounded);
}

#if HAS_DSP
static INLINE int8_t saturated(int32_t x) { return (int8_t)__ssat(x, 8); }
#else
static INLINE int8_t saturated(int32_t x) { return (int8_t)(x > 127 ? 127 : x < -128 ? -128 : x); }
#endif

/* gemmlowp's SaturatingRoundingDoublingHighMul; b is positive, so nothing saturates. */
static INLINE int32_t doubling_high_mul(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* gemmlowp's RoundingDivideByPOT: to the nearest, halves away from zero. */
static INLINE int32_t rounding_divide(int32_t x, int exponent)
{
    const uint32_t mask = ((uint32_t)1 << exponent) - 1, rest = (uint32_t)x & mask;
    return (x >> exponent) + (rest > (mask >> 1) + (uint32_t)(x < 0));
}

/* TensorFlow Lite's MultiplyByQuantizedMultiplier. */
static INLINE int32_t rescaled(int32_t x, int32_t multiplier, int shift)
{
    if (shift > 0)
        return doubling_high_mul((int32_t)((uint32_t)x << shift), multiplier);
    return rounding_divide(doubling_high_mul(x, multiplier), -shift);
}

static int32_t scaled(const scaling_t *by, int32_t x)
{
    return rescaled(x - by->subtracted, by->multiplier, by->shift) + by->zero;
}

/* What ends a channel's sum, with all that does not depend on the sum computed before. */
typedef struct {
    const int8_t *table;
    int32_t multiplier, zero, half, signs;
    int left, right;
} ending_t;

static INLINE ending_t ending_of(int32_t multiplier, int shift, int32_t zero, const int8_t *table)
{
    ending_t made;
    made.table = table == NULL ? NULL : table + 128;
    made.multiplier = multiplier;
    made.zero = zero;
#if ALL_SHIFT_RIGHT /* as nearly always: then these are constants */
    made.left = 1;
    made.signs = -1;
    made.right = -shift;
    made.half = (int32_t)((uint32_t)1 << (made.right - 1));
#else
    made.left = (shift > 0 ? shift : 0) + 1;
    made.right = shift > 0 ? 0 : -shift;
    made.half = made.right > 0 ? (int32_t)((uint32_t)1 << (made.right - 1)) : 0;
    made.signs = made.right > 0 ? -1 : 0;
#endif
    return made;
}

static INLINE ending_t ending(const dense_t *layer, int channel)
{
    return ending_of(layer->multiplier[channel], layer->shift[channel], layer->zero, layer->table);
}

/* The upper 32 bits of a product, rounded. */
static INLINE int32_t upper_half(int32_t a, int32_t b)
{
#if HAS_DSP && defined(__GNUC__)
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
#else
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
#endif
}

/* `rescaled`, plus the zero point, and the activation's table. It is the same in fewer instructions: of a sum below
 * 2^30 the doubled product's upper half is one instruction of Arm's (SMMULR), and halves go away from zero where 1 is
 * taken from negative numbers before a half is added. */
static INLINE int8_t finished(ending_t by, int32_t sum)
{
    const int32_t twice = (int32_t)((uint32_t)sum << by.left);
    const int32_t high = upper_half(twice, by.multiplier);
    const int8_t y = saturated(((high + by.half + ((high >> 31) & by.signs)) >> by.right) + by.zero);
    return by.table == NULL ? y : by.table[y];
}

#if HAS_DSP
static INLINE int16x2_t word_at(const int8_t *x)
{
    int32_t word;
    memcpy(&word, x, sizeof word);
    return (int16x2_t)word;
}

static INLINE int8x4_t turned(int8x4_t x) { return (int8x4_t)((uint32_t)x >> 8 | (uint32_t)x << 24); }
#endif

/* Two positions of two output channels: four sums. */
static INLINE void four_sums(const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int n, int32_t sums[4])
{
    int32_t s00 = sums[0], s01 = sums[1], s10 = sums[2], s11 = sums[3];
    int i = 0;
#if HAS_DSP
    for (; i + 4 <= n; i += 4) {
        const int8x4_t a = (int8x4_t)word_at(x0 + i), b = (int8x4_t)word_at(x1 + i);
        const int8x4_t c = (int8x4_t)word_at(w0 + i), d = (int8x4_t)word_at(w1 + i);
        const int16x2_t ae = __sxtb16(a), ao = __sxtb16(turned(a));
        const int16x2_t be = __sxtb16(b), bo = __sxtb16(turned(b));
        const int16x2_t ce = __sxtb16(c), co = __sxtb16(turned(c));
        const int16x2_t de = __sxtb16(d), dd = __sxtb16(turned(d));
        s00 = __smlad(ao, co, __smlad(ae, ce, s00));
        s01 = __smlad(ao, dd, __smlad(ae, de, s01));
        s10 = __smlad(bo, co, __smlad(be, ce, s10));
        s11 = __smlad(bo, dd, __smlad(be, de, s11));
    }
#endif
    for (; i < n; i++) {
        s00 += x0[i] * w0[i];
        s01 += x0[i] * w1[i];
        s10 += x1[i] * w0[i];
        s11 += x1[i] * w1[i];
    }
    sums[0] = s00;
    sums[1] = s01;
    sums[2] = s10;
    sums[3] = s11;
}

/* A layer on n positions, `stride` numbers apart: (n, in) to (n, out). */
static void pointwise(const dense_t *layer, const int8_t *x, int stride, int n, int8_t *y)
{
    const int in = layer->in, out = layer->out;
    int p, c;
#ifdef TINYCLAP_CMSIS_NN
    if (stride == in) {
        arm_nn_mat_mult_nt_t_s8(x, layer->weights, layer->bias, y, layer->multiplier, layer->shift, n, out, in, 0,
                                layer->zero, -128, 127, out, in);
        for (p = 0; layer->table != NULL && p < n * out; p++)
            y[p] = layer->table[y[p] + 128];
        return;
    }
#endif
    for (c = 0; c < out; c += 2) {
        const int next = c + 1 < out ? c + 1 : c;
        const int8_t *const w0 = layer->weights + c * in, *const w1 = layer->weights + next * in;
        const ending_t end0 = ending(layer, c), end1 = ending(layer, next);
        for (p = 0; p < n; p += 2) {
            const int8_t *const x0 = x + p * stride, *const x1 = p + 1 < n ? x0 + stride : x0;
            int8_t *const y0 = y + p * out, *const y1 = p + 1 < n ? y0 + out : y0;
            int32_t sums[4];
            sums[0] = sums[2] = layer->bias[c];
            sums[1] = sums[3] = layer->bias[next];
            four_sums(x0, x1, w0, w1, in, sums);
            y0[c] = finished(end0, sums[0]);
            y0[next] = finished(end1, sums[1]);
            y1[c] = finished(end0, sums[2]);
            y1[next] = finished(end1, sums[3]);
        }
    }
}

/* A row of a 3x3 depthwise layer from three rows that are padded at both sides with the zero point; `sums`, of every
 * channel, grow by it. */
static void depthwise_row(const block_t *block, const int8_t *const rows[3], int8_t *y, int32_t *sums)
{
    const dense_t *const layer = block->depthwise;
    const int c = block->hidden, stride = block->stride_x * c;
    const int8_t *const w = layer->weights;
    int x, i;
    for (i = 0; i < c; i++) {
        const ending_t end = ending(layer, i);
        const int32_t w0 = w[i], w1 = w[c + i], w2 = w[2 * c + i], w3 = w[3 * c + i], w4 = w[4 * c + i];
        const int32_t w5 = w[5 * c + i], w6 = w[6 * c + i], w7 = w[7 * c + i], w8 = w[8 * c + i];
        const int8_t *r0 = rows[0] + i, *r1 = rows[1] + i, *r2 = rows[2] + i;
        const int32_t bias = layer->bias[i];
        int32_t total = 0;
        for (x = 0; x < block->out_width; x++) {
            int32_t sum = bias;
            int8_t done;
            sum += r0[0] * w0 + r0[c] * w1 + r0[2 * c] * w2;
            sum += r1[0] * w3 + r1[c] * w4 + r1[2 * c] * w5;
            sum += r2[0] * w6 + r2[c] * w7 + r2[2 * c] * w8;
            done = finished(end, sum);
            y[x * c + i] = done;
            total += done;
            r0 += stride;
            r1 += stride;
            r2 += stride;
        }
        sums[i] += total;
    }
}

/* The image's frame as the stem reads it, normalised, int16; zeros beyond its ends. */
static void stem_input(int t, int16_t *row)
{
    const int32_t gain = to_image(gain_db);
    const image_t *frame;
    int m;
    memset(row, 0, (STEM_LEFT + N_MELS + STEM_RIGHT) * sizeof *row);
    if (t < 0 || t >= FRAMES)
        return;
    frame = image_row(t);
    for (m = 0; m < N_MELS; m++) {
        int32_t db = frame[m] + gain;
#if RAISES
        db = db > LEAST_IMAGE ? db : LEAST_IMAGE;
#endif
        db = (int32_t)(((int64_t)db * norm_multiplier[m] + 32768) >> 16) + norm_offset[m];
        row[STEM_LEFT + m] = (int16_t)(db > 32767 ? 32767 : db < -32768 ? -32768 : db);
    }
}

static void stem_row(const block_t *block, int at, int8_t *y)
{
    int16_t *const patches = (int16_t *)(void *)(arena + AT_PATCHES), *const row = (int16_t *)(void *)(arena + AT_STEM_ROW);
    int ky, kx, x, c, i;
    for (ky = 0; ky < STEM_HEIGHT; ky++) {
        stem_input(at * STEM_STRIDE_Y - STEM_TOP + ky, row);
        for (x = 0; x < block->width; x++)
            for (kx = 0; kx < STEM_WIDTH; kx++)
                patches[x * STEM_HEIGHT * STEM_WIDTH + ky * STEM_WIDTH + kx] = row[x * STEM_STRIDE_X + kx];
    }
    for (c = 0; c < stem.out; c++) {
        const int8_t *const w = stem.weights + c * STEM_HEIGHT * STEM_WIDTH;
        const ending_t end = ending(&stem, c);
        for (x = 0; x < block->width; x++) {
            const int16_t *const patch = patches + x * STEM_HEIGHT * STEM_WIDTH;
            int32_t sum = stem.bias[c];
            for (i = 0; i < STEM_HEIGHT * STEM_WIDTH; i++)
                sum += patch[i] * w[i];
            y[x * stem.out + c] = finished(end, sum);
        }
    }
}

/* Row `at` of the map that the depthwise layer reads: of the stem, or expanded from the block's input. */
static void hidden_row(const block_t *block, int at, int8_t *y)
{
    const int8_t *const in = (const int8_t *)(arena + block->at_in) + at * block->width * block->channels;
    if (block->expand == NULL)
        stem_row(block, at, y);
    else
        pointwise(block->expand, in, block->channels, block->width, y);
}

/* The three rows about row `middle`, computed where they are not in the ring yet. */
static void ring_rows(const block_t *block, int middle, int *ready, const int8_t *rows[3])
{
    const int size = (block->width + 2) * block->hidden;
    int8_t *const ring = (int8_t *)(arena + block->at_rows);
    int k;
    for (k = 0; k < 3; k++) {
        const int at = middle - 1 + k;
        rows[k] = at < 0 || at >= block->height ? ring + 3 * size : ring + at % 3 * size;
        if (at >= *ready && at < block->height) {
            hidden_row(block, at, ring + at % 3 * size + block->hidden);
            *ready = at + 1;
        }
    }
}

/* Gates of squeeze and excitation, from the sums of every channel, to int8. */
static const int8_t *excite(const block_t *block, const int32_t *sums)
{
    int8_t *const mean = (int8_t *)(arena + block->at_squeezed), *const squeezed = mean + block->hidden;
    int i;
    for (i = 0; i < block->hidden; i++)
        mean[i] = saturated(scaled(&block->mean, sums[i]));
    pointwise(block->squeeze, mean, block->hidden, 1, squeezed);
    pointwise(block->excite, squeezed, block->squeeze->out, 1, mean);
    return mean;
}

/* TensorFlow Lite's addition of int8. */
static int8_t added(const addition_t *add, int8_t a, int8_t b)
{
    const int32_t first = rescaled((a - add->first.subtracted) * (1 << 20), add->first.multiplier, add->first.shift);
    const int32_t second = rescaled((b - add->second.subtracted) * (1 << 20), add->second.multiplier, add->second.shift);
    return saturated(scaled(&add->sum, first + second));
}

/* The last layer of a block on one row; a residual block's output lies where its input was. */
static void project_row(const block_t *block, const int8_t *inner, int y, const int8_t *kept)
{
    const int size = block->out_width * block->project->out;
    int8_t *const out = (int8_t *)(arena + block->at_out) + y * size, *const row = (int8_t *)(arena + block->at_project_row);
    int i;
    if (kept == NULL) {
        pointwise(block->project, inner, block->hidden, block->out_width, out);
        return;
    }
    pointwise(block->project, inner, block->hidden, block->out_width, row);
    for (i = 0; i < size; i++)
        out[i] = added(&block->add, kept[i], row[i]);
}

static void run_block(const block_t *block)
{
    const int size = block->out_width * block->hidden, padded = (block->width + 2) * block->hidden;
    int8_t *const inner = (int8_t *)(arena + block->at_inner);
    int32_t *const sums = (int32_t *)(void *)(arena + block->at_sums);
    const int8_t *const in = (const int8_t *)(arena + block->at_in), *gates;
    const int8_t *rows[3];
    ending_t end;
    int y, x, i, ready = 0;
    memset(arena + block->at_rows, block->hidden_zero, (size_t)(4 * padded));
    memset(sums, 0, (size_t)block->hidden * sizeof *sums);
    for (y = 0; y < block->out_height; y++) {
        int8_t *const row = inner + (block->squeeze == NULL ? 0 : y * size);
        ring_rows(block, y * block->stride_y, &ready, rows);
        depthwise_row(block, rows, row, sums);
        if (block->squeeze == NULL)
            project_row(block, row, y,
                        !block->residual ? NULL
                        : block->expand == NULL ? rows[1] + block->hidden
                                                : in + y * block->width * block->channels);
    }
    if (block->squeeze == NULL)
        return;
    gates = excite(block, sums);
    end = ending_of(block->gate.multiplier, block->gate.shift, block->gate.zero, NULL);
    for (y = 0; y < block->out_height; y++) {
        int8_t *const row = inner + y * size;
        for (x = 0; x < block->out_width; x++)
            for (i = 0; i < block->hidden; i++) {
                int8_t *const at = row + x * block->hidden + i;
                *at = finished(end, (*at - block->gate.subtracted) * (gates[i] + 128));
            }
        project_row(block, row, y, block->residual ? in + y * block->width * block->channels : NULL);
    }
}

/* The last 1x1 layer and the pooling, row by row, to int8. */
static void pool(int8_t *pooled)
{
    const int8_t *const map = (const int8_t *)(arena + AT_MAP);
    int32_t *const sums = (int32_t *)(void *)(arena + AT_FEATURES), *const frame = (int32_t *)(void *)(arena + AT_FRAME_MEAN);
    int y, x, i;
    memset(sums, 0, POOLED * sizeof *sums);
    for (y = 0; y < POOL_HEIGHT; y++) {
        const int8_t *row = map + y * LAST_STRIDE * MAP_WIDTH * MAP_CHANNELS;
#if HAS_LAST
        int8_t *const last_row = (int8_t *)(arena + AT_LAST_ROW);
        pointwise(&last, row, LAST_STRIDE * MAP_CHANNELS, POOL_WIDTH, last_row);
        row = last_row;
#endif
#if POOLING == POOL_MELS
        (void)frame;
        for (x = 0; x < POOL_WIDTH; x++)
            for (i = 0; i < FEATURES; i++)
                sums[i * POOL_WIDTH + x] += row[x * FEATURES + i];
#else
        memset(frame, 0, FEATURES * sizeof *frame);
        for (x = 0; x < POOL_WIDTH; x++)
            for (i = 0; i < FEATURES; i++)
                frame[i] += row[x * FEATURES + i];
        for (i = 0; i < FEATURES; i++)
            sums[i] += frame[i];
#if POOLING == POOL_MEAN_MAX
        for (i = 0; i < FEATURES; i++)
            frame[FEATURES + i] = y == 0 || frame[i] > frame[FEATURES + i] ? frame[i] : frame[FEATURES + i];
#endif
#endif
    }
    for (i = 0; i < POOLED; i++) {
#if POOLING == POOL_MEAN_MAX
        sums[i] += POOL_HEIGHT * frame[FEATURES + i];
#endif
        pooled[i] = saturated(scaled(&pooled_scaling, sums[i]));
    }
}

static void dense(const head_t *layer, const int8_t *x, float *y)
{
    int c, i;
    for (c = 0; c < layer->out; c++) {
        const int8_t *const w = layer->weights + c * layer->in;
        int32_t sum = layer->bias[c];
        for (i = 0; i < layer->in; i++)
            sum += x[i] * w[i];
        y[c] = (float)sum * layer->scales[c];
    }
}

#if HEAD_LAYERS > 1
/* Floats to the int8 that a layer reads. */
static void to_int8(const head_t *layer, const float *x, int8_t *y)
{
    int i;
    for (i = 0; i < layer->in; i++) {
        const float steps = x[i] / layer->in_scale;
        y[i] = saturated((int32_t)(steps < 0.0f ? steps - 0.5f : steps + 0.5f) + layer->in_zero);
    }
}
#endif

static void network(float *embedding)
{
    int8_t *const pooled = (int8_t *)(arena + AT_POOLED);
    int i;
    for (i = 0; i < N_BLOCKS; i++)
        run_block(&blocks[i]);
    pool(pooled);
#if HEAD_LAYERS == 1
    dense(&head[0], pooled, embedding);
#else
    {
        float *const first = (float *)(void *)(arena + AT_HEAD), *const second = first + WIDE;
        int8_t *const rounded = (int8_t *)(void *)(second + WIDE);
        dense(&head[0], pooled, first);
        for (i = 0; i < WIDE; i++)
            second[i] = gelu(first[i]);
        to_int8(&head[1], second, rounded);
        dense(&head[1], rounded, second);
        for (i = 0; i < WIDE; i++)
            first[i] += second[i];
        layer_norm(first);
#if HEAD_LAYERS == 3
        to_int8(&head[2], first, rounded);
        dense(&head[2], rounded, embedding);
#else
        memcpy(embedding, first, WIDE * sizeof *first);
#endif
    }
#endif
    unit_norm(embedding);
}
