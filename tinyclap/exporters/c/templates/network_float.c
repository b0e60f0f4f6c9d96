
/* ---- network, float32: maps are (rows, columns, channels); a block runs row by row ---- */

#define PANEL 8 /* output channels side by side in the weights of a pointwise layer */
#ifndef TINYCLAP_TILE
#ifdef __ARM_ARCH
#define TINYCLAP_TILE 2
#else
#define TINYCLAP_TILE 6
#endif
#endif

static void activate(float *x, int n, int kind)
{
    int i;
    if (kind == HARD_SWISH)
        for (i = 0; i < n; i++) {
            float gate = x[i] + 3.0f;
            gate = gate < 0.0f ? 0.0f : gate;
            gate = gate > 6.0f ? 6.0f : gate;
            x[i] = x[i] * gate * (1.0f / 6.0f);
        }
    else if (kind != LINEAR)
        for (i = 0; i < n; i++) {
            const float positive = x[i] > 0.0f ? x[i] : 0.0f;
            x[i] = kind == RELU6 && positive > 6.0f ? 6.0f : positive;
        }
}

/* Some positions of a pointwise layer, one panel; `most` channels of it are there. */
#if defined(__GNUC__) && !defined(__ARM_ARCH_PROFILE)
typedef float panel_t __attribute__((vector_size(4 * PANEL)));
#define SUMS(count) panel_t sum[count], row
#define START(p) memcpy(&sum[p], b, sizeof sum[p])
#define LOAD(i) memcpy(&row, w + (i) * PANEL, sizeof row)
#define ADD(p, factor) sum[p] += (factor) * row
#define NUMBER(p, j) sum[p][j]
#else
#define SUMS(count) float sum[count][PANEL]; const float *row; int n
#define START(p) memcpy(sum[p], b, sizeof sum[p])
#define LOAD(i) row = w + (i) * PANEL
#define ADD(p, factor) for (n = 0; n < PANEL; n++) sum[p][n] += (factor) * row[n]
#define NUMBER(p, j) sum[p][j]
#endif
#define TILE_OF(name, count) \
    static void name(const float *restrict x, int stride, int in, const float *restrict w, \
                     const float *restrict b, float *restrict y, int out, int most) \
    { \
        SUMS(count); \
        int i, j, p; \
        for (p = 0; p < count; p++) \
            START(p); \
        for (i = 0; i < in; i++) { \
            LOAD(i); \
            for (p = 0; p < count; p++) \
                ADD(p, x[p * stride + i]); \
        } \
        if (most == PANEL) \
            for (p = 0; p < count; p++) \
                memcpy(y + p * out, &sum[p], sizeof sum[p]); \
        else \
            for (p = 0; p < count; p++) \
                for (j = 0; j < most; j++) \
                    y[p * out + j] = NUMBER(p, j); \
    }

TILE_OF(tile, TINYCLAP_TILE)
TILE_OF(single, 1)

/* A layer on n positions, `stride` numbers apart: (n, in) to (n, out). */
static void pointwise(const dense_t *layer, const float *x, int stride, int n, float *y)
{
    int first, p;
    for (first = 0; first < layer->out; first += PANEL) {
        const float *const w = layer->weights + (size_t)first * (size_t)layer->in, *const b = layer->bias + first;
        const int most = layer->out - first < PANEL ? layer->out - first : PANEL;
        for (p = 0; p + TINYCLAP_TILE <= n; p += TINYCLAP_TILE)
            tile(x + p * stride, stride, layer->in, w, b, y + p * layer->out + first, layer->out, most);
        for (; p < n; p++)
            single(x + p * stride, stride, layer->in, w, b, y + p * layer->out + first, layer->out, most);
    }
    activate(y, n * layer->out, layer->activation);
}

/* A row of a 3x3 depthwise layer from three rows that are padded at both sides. */
static void depthwise_row(const block_t *block, const float *const rows[3], float *y)
{
    const int c = block->hidden, stride = block->stride_x * c;
    const float *const w = block->depthwise_weights, *const b = block->depthwise_bias;
    int x, i;
    for (x = 0; x < block->out_width; x++) {
        const float *restrict r0 = rows[0] + x * stride, *restrict r1 = rows[1] + x * stride;
        const float *restrict r2 = rows[2] + x * stride;
        float *restrict o = y + x * c;
        for (i = 0; i < c; i++)
            o[i] = b[i] + r0[i] * w[i] + r0[c + i] * w[c + i] + r0[2 * c + i] * w[2 * c + i] + r1[i] * w[3 * c + i] +
                   r1[c + i] * w[4 * c + i] + r1[2 * c + i] * w[5 * c + i] + r2[i] * w[6 * c + i] +
                   r2[c + i] * w[7 * c + i] + r2[2 * c + i] * w[8 * c + i];
    }
    activate(y, block->out_width * c, block->activation);
}

/* The image's frame as the stem reads it, normalised; zeros beyond its ends. */
static void stem_input(int t, float *row)
{
    int m;
    if (t < 0 || t >= FRAMES) {
        memset(row, 0, (STEM_LEFT + N_MELS + STEM_RIGHT) * sizeof *row);
        return;
    }
    for (m = 0; m < STEM_LEFT; m++)
        row[m] = 0.0f;
    for (m = 0; m < N_MELS; m++) {
        float db = image_row(t)[m] + gain_db;
#if RAISES
        db = db > LEAST_DB ? db : LEAST_DB;
#endif
        row[STEM_LEFT + m] = db * norm_scale[m] + norm_shift[m];
    }
    for (m = 0; m < STEM_RIGHT; m++)
        row[STEM_LEFT + N_MELS + m] = 0.0f;
}

/* Row `at` of the map that the depthwise layer reads: of the stem, or expanded from the block's input. */
static void hidden_row(const block_t *block, int at, float *y)
{
    if (block->expand == NULL) {
        float *const patches = (float *)(void *)(arena + AT_PATCHES), *const row = (float *)(void *)(arena + AT_STEM_ROW);
        int ky, kx, x;
        for (ky = 0; ky < STEM_HEIGHT; ky++) {
            stem_input(at * STEM_STRIDE_Y - STEM_TOP + ky, row);
            for (x = 0; x < block->width; x++)
                for (kx = 0; kx < STEM_WIDTH; kx++)
                    patches[x * STEM_HEIGHT * STEM_WIDTH + ky * STEM_WIDTH + kx] = row[x * STEM_STRIDE_X + kx];
        }
        pointwise(&stem, patches, STEM_HEIGHT * STEM_WIDTH, block->width, y);
    } else {
        const float *const in = (const float *)(const void *)(arena + block->at_in);
        pointwise(block->expand, in + at * block->width * block->channels, block->channels, block->width, y);
    }
}

/* The three rows about row `middle`, computed where they are not in the ring yet. */
static void ring_rows(const block_t *block, int middle, int *ready, const float *rows[3])
{
    const int size = (block->width + 2) * block->hidden;
    float *const ring = (float *)(void *)(arena + block->at_rows);
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

static void pad_ring(const block_t *block)
{
    const int size = (block->width + 2) * block->hidden;
    float *const ring = (float *)(void *)(arena + block->at_rows);
    int k, i;
    for (k = 0; k < 3; k++)
        for (i = 0; i < block->hidden; i++)
            ring[k * size + i] = ring[(k + 1) * size - block->hidden + i] = 0.0f;
    for (i = 0; i < size; i++)
        ring[3 * size + i] = 0.0f;
}

/* Gates of squeeze and excitation, from the sums of every channel. */
static void excite(const block_t *block, float *sums)
{
    float *const squeezed = (float *)(void *)(arena + block->at_squeezed);
    const float share = 1.0f / (float)(block->out_height * block->out_width);
    int i;
    for (i = 0; i < block->hidden; i++)
        sums[i] *= share;
    pointwise(block->squeeze, sums, block->hidden, 1, squeezed);
    pointwise(block->excite, squeezed, block->squeeze->out, 1, sums);
    for (i = 0; i < block->hidden; i++)
        sums[i] = 1.0f / (1.0f + expf(-sums[i]));
}

/* The last layer of a block on one row; a residual block's output lies where its input was. */
static void project_row(const block_t *block, const float *inner, int y, const float *kept)
{
    const int size = block->out_width * block->project->out;
    float *const out = (float *)(void *)(arena + block->at_out) + y * size;
    if (kept == NULL)
        pointwise(block->project, inner, block->hidden, block->out_width, out);
    else {
        float *const row = (float *)(void *)(arena + block->at_project_row);
        int i;
        pointwise(block->project, inner, block->hidden, block->out_width, row);
        for (i = 0; i < size; i++)
            out[i] = kept[i] + row[i];
    }
}

static void run_block(const block_t *block)
{
    const int size = block->out_width * block->hidden;
    float *const inner = (float *)(void *)(arena + block->at_inner), *const sums = (float *)(void *)(arena + block->at_sums);
    const float *const in = (const float *)(const void *)(arena + block->at_in);
    const float *rows[3];
    int y, x, i, ready = 0;
    pad_ring(block);
    if (block->squeeze != NULL)
        for (i = 0; i < block->hidden; i++)
            sums[i] = 0.0f;
    for (y = 0; y < block->out_height; y++) {
        float *const row = inner + (block->squeeze == NULL ? 0 : y * size);
        ring_rows(block, y * block->stride_y, &ready, rows);
        depthwise_row(block, rows, row);
        if (block->squeeze == NULL)
            project_row(block, row, y,
                        !block->residual ? NULL
                        : block->expand == NULL ? rows[1] + block->hidden
                                                : in + y * block->width * block->channels);
        else
            for (x = 0; x < block->out_width; x++)
                for (i = 0; i < block->hidden; i++)
                    sums[i] += row[x * block->hidden + i];
    }
    if (block->squeeze == NULL)
        return;
    excite(block, sums);
    for (y = 0; y < block->out_height; y++) {
        float *const row = inner + y * size;
        for (x = 0; x < block->out_width; x++)
            for (i = 0; i < block->hidden; i++)
                row[x * block->hidden + i] *= sums[i];
        project_row(block, row, y, block->residual ? in + y * block->width * block->channels : NULL);
    }
}

/* The last 1x1 layer and the pooling, row by row, to `features`. */
static void pool(float *features)
{
    const float *const map = (const float *)(const void *)(arena + AT_MAP);
    float *const frame = (float *)(void *)(arena + AT_FRAME_MEAN);
    int y, x, i;
    memset(features, 0, POOLED * sizeof *features);
    for (y = 0; y < POOL_HEIGHT; y++) {
        const float *row = map + y * LAST_STRIDE * MAP_WIDTH * MAP_CHANNELS;
#if HAS_LAST
        float *const last_row = (float *)(void *)(arena + AT_LAST_ROW);
        pointwise(&last, row, LAST_STRIDE * MAP_CHANNELS, POOL_WIDTH, last_row);
        row = last_row;
#endif
#if POOLING == POOL_MELS
        (void)frame;
        for (x = 0; x < POOL_WIDTH; x++)
            for (i = 0; i < FEATURES; i++)
                features[i * POOL_WIDTH + x] += row[x * FEATURES + i] * (1.0f / POOL_HEIGHT);
#else
        for (i = 0; i < FEATURES; i++)
            frame[i] = 0.0f;
        for (x = 0; x < POOL_WIDTH; x++)
            for (i = 0; i < FEATURES; i++)
                frame[i] += row[x * FEATURES + i] * (1.0f / POOL_WIDTH);
        for (i = 0; i < FEATURES; i++)
            features[i] += frame[i] * (1.0f / POOL_HEIGHT);
#if POOLING == POOL_MEAN_MAX
        {
            float *const highest = frame + FEATURES;
            for (i = 0; i < FEATURES; i++)
                highest[i] = y == 0 || frame[i] > highest[i] ? frame[i] : highest[i];
            if (y == POOL_HEIGHT - 1)
                for (i = 0; i < FEATURES; i++)
                    features[i] += highest[i];
        }
#endif
#endif
    }
}

static void network(float *embedding)
{
    float *const features = (float *)(void *)(arena + AT_FEATURES);
    int i;
    for (i = 0; i < N_BLOCKS; i++)
        run_block(&blocks[i]);
    pool(features);
#if HEAD_LAYERS == 1
    pointwise(&head[0], features, POOLED, 1, embedding);
#else
    {
        float *const first = (float *)(void *)(arena + AT_HEAD), *const curved = first + WIDE, *const second = curved + WIDE;
        pointwise(&head[0], features, POOLED, 1, first);
        for (i = 0; i < WIDE; i++)
            curved[i] = gelu(first[i]);
        pointwise(&head[1], curved, WIDE, 1, second);
        for (i = 0; i < WIDE; i++)
            first[i] += second[i];
        layer_norm(first);
#if HEAD_LAYERS == 3
        pointwise(&head[2], first, WIDE, 1, embedding);
#else
        memcpy(embedding, first, WIDE * sizeof *first);
#endif
    }
#endif
    unit_norm(embedding);
}
