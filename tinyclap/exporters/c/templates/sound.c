
/* ---- sound ---- */

static int64_t first_frame; /* of the window */
static int edge_slot;       /* where the frames at the window's start lie; -1: with the others */

static image_t *ring_row(int64_t frame) { return (image_t *)(void *)(arena + AT_IMAGE) + frame % FRAMES * N_MELS; }

static image_t *edge_row(int slot, int t) { return (image_t *)(void *)(arena + AT_EDGES) + (slot * EDGES + t) * N_MELS; }

/* Frame t of the window. */
static const image_t *image_row(int t)
{
    return t < EDGES && edge_slot >= 0 ? edge_row(edge_slot, t) : ring_row(first_frame + t);
}

/* Position i of a sound that is mirrored at its ends. */
static int64_t mirrored(int64_t i, int64_t low, int64_t high)
{
    if (i < low)
        return 2 * low - i;
    return i < high ? i : 2 * (high - 1) - i;
}

static void store(image_t *row, const float *db, int lane)
{
    int m;
    for (m = 0; m < N_MELS; m++)
        row[m] = to_image(db[m * LANES + lane]);
}

/* Quiet windows are heard at a level of their own: the decibels that are added. */
static void raise_window(double squares)
{
    gain_db = 0.0f;
#if RAISES
    {
        const double rms = sqrt(squares / TINYCLAP_WINDOW), least = LOWEST_RMS / MOST_GAIN;
        if (rms < LOWEST_RMS)
            gain_db = (float)(10.0 * MAGNITUDE_POWER * log10(LOWEST_RMS / (rms > least ? rms : least)));
    }
#else
    (void)squares;
#endif
}

/* Frames t ... of a whole window as decibels, (N_MELS, LANES). */
static const float *window_decibels(const float *waveform, int t)
{
    int l, i;
    memset(spectrum_a, 0, N_FFT * LANES * sizeof(float));
    for (l = 0; l < LANES && t + l < FRAMES; l++) {
        const int64_t start = (int64_t)(t + l) * FRAME_HOP - HALF + MARGIN;
        float *const frame = spectrum_a + MARGIN * LANES + l;
        if (start >= 0 && start + WIN_LENGTH <= TINYCLAP_WINDOW)
            for (i = 0; i < WIN_LENGTH; i++)
                frame[i * LANES] = waveform[start + i] * hann[i];
        else
            for (i = 0; i < WIN_LENGTH; i++)
                frame[i * LANES] = waveform[mirrored(start + i, 0, TINYCLAP_WINDOW)] * hann[i];
    }
    return mel_decibels();
}

void tinyclap_embed(const float *waveform, float *embedding)
{
    double squares = 0.0;
    int t, l;
    tinyclap_start();
    for (t = 0; t < FRAMES; t += LANES) {
        const float *const db = window_decibels(waveform, t);
        for (l = 0; l < LANES && t + l < FRAMES; l++)
            store(ring_row(t + l), db, l);
    }
#if RAISES
    {
        int64_t i;
        for (i = 0; i < TINYCLAP_WINDOW; i++)
            squares += (double)waveform[i] * waveform[i];
    }
#endif
    raise_window(squares);
    network(embedding);
}

void tinyclap_embed_logmel(const float *logmel, float *embedding)
{
    int t, m;
    tinyclap_start();
    for (t = 0; t < FRAMES; t++)
        for (m = 0; m < N_MELS; m++)
            ring_row(t)[m] = to_image(logmel[t * N_MELS + m]);
    network(embedding);
}

void tinyclap_logmel(const float *waveform, float *logmel)
{
    int t, l, m;
    tinyclap_start();
    for (t = 0; t < FRAMES; t += LANES) {
        const float *const db = window_decibels(waveform, t);
        for (l = 0; l < LANES && t + l < FRAMES; l++)
            for (m = 0; m < N_MELS; m++)
                logmel[(t + l) * N_MELS + m] = db[m * LANES + l];
    }
}

/* ---- stream: every frame is transformed once; those that a window's ends mirror, once more ---- */

static int64_t position;                  /* samples so far */
static float chunk_sum, chunk_squares;    /* of the samples since the last multiple of FRAME_HOP */
#define recent ((float *)(void *)(arena + AT_RECENT))      /* the last N_FFT samples, by position */
#define levels ((float *)(void *)(arena + AT_LEVELS))      /* sum and squares of every chunk of a window */

void tinyclap_start(void)
{
    position = 0;
    chunk_sum = chunk_squares = 0.0f;
    first_frame = 0;
    edge_slot = -1;
    gain_db = 0.0f;
}

/* The frame about a sample, of a sound that is mirrored at `low` and `high`, to a row of decibels. */
static void stream_frame(int64_t centre, int64_t low, int64_t high, image_t *row)
{
    const int64_t start = centre - HALF + MARGIN;
    int i;
    memset(spectrum_a, 0, N_FFT * LANES * sizeof(float));
    for (i = 0; i < WIN_LENGTH; i++)
        spectrum_a[(MARGIN + i) * LANES] = hann[i] * (hann[i] > 0.0f ? recent[mirrored(start + i, low, high) % N_FFT] : 0.0f);
    store(row, mel_decibels(), 0);
}

/* What is due at this position: a frame, and the same as the first of a window. */
static void frame_complete(void)
{
    const int64_t centre = position - HALF;
    int t;
    if (centre >= HALF)
        stream_frame(centre, centre - HALF, position, ring_row(centre / FRAME_HOP));
    for (t = 0; t < EDGES; t++) {
        const int64_t start = centre - (int64_t)t * FRAME_HOP;
        if (start >= 0 && start % TINYCLAP_HOP == 0)
            stream_frame(centre, start, position, edge_row((int)(start / TINYCLAP_HOP % STARTS), t));
    }
}

static void chunk_complete(void)
{
    float *const level = levels + 2 * ((position / FRAME_HOP - 1) % CHUNKS);
    level[0] = chunk_sum;
    level[1] = chunk_squares;
    chunk_sum = chunk_squares = 0.0f;
}

static tinyclap_event window_complete(float *embedding)
{
    const int64_t start = position - TINYCLAP_WINDOW;
    double sum = chunk_sum, squares = chunk_squares, mean, variance;
    int i, t;
    for (i = 0; i < TINYCLAP_WINDOW / FRAME_HOP; i++) {
        const float *const level = levels + 2 * ((start / FRAME_HOP + i) % CHUNKS);
        sum += level[0];
        squares += level[1];
    }
    mean = sum / TINYCLAP_WINDOW;
    variance = squares / TINYCLAP_WINDOW - mean * mean;
    if (variance < TINYCLAP_SILENCE_RMS * TINYCLAP_SILENCE_RMS)
        return TINYCLAP_SILENCE;
    first_frame = start / FRAME_HOP;
    edge_slot = (int)(start / TINYCLAP_HOP % STARTS);
    for (t = FIRST_AT_END; t < FRAMES; t++)
        stream_frame(start + (int64_t)t * FRAME_HOP, start, position, ring_row(first_frame + t));
    raise_window(squares);
    network(embedding);
    return TINYCLAP_EMBEDDING;
}

/* Samples until something is due. */
static int64_t until_due(void)
{
    int64_t next = FRAME_HOP - position % FRAME_HOP;                          /* a chunk */
    const int64_t since = position - HALF, to_frame = since < 0 ? -since : FRAME_HOP - since % FRAME_HOP;
    const int64_t over = position - TINYCLAP_WINDOW, to_window = over < 0 ? -over : TINYCLAP_HOP - over % TINYCLAP_HOP;
    if (to_frame < next)
        next = to_frame;
    return to_window < next ? to_window : next;
}

static tinyclap_event take(const float *floats, const int16_t *shorts, size_t *taken, size_t n, float *embedding)
{
    tinyclap_event event = TINYCLAP_MORE;
    while (*taken < n && event == TINYCLAP_MORE) {
        const int64_t due = until_due(), left = (int64_t)(n - *taken), count = due < left ? due : left;
        size_t i, at = (size_t)(position % N_FFT);
        for (i = *taken; i < *taken + (size_t)count; i++) {
            const float x = floats ? floats[i] : (float)shorts[i] * (1.0f / 32768.0f);
            recent[at] = x;
            at = at + 1 == N_FFT ? 0 : at + 1;
            chunk_sum += x;
            chunk_squares += x * x;
        }
        *taken += (size_t)count;
        position += count;
        if (count < due)
            break;
        if (position % FRAME_HOP == 0)
            chunk_complete();
        if (position >= HALF && (position - HALF) % FRAME_HOP == 0)
            frame_complete();
        if (position >= TINYCLAP_WINDOW && (position - TINYCLAP_WINDOW) % TINYCLAP_HOP == 0)
            event = window_complete(embedding);
    }
    return event;
}

tinyclap_event tinyclap_push(const int16_t **samples, size_t *n, float *embedding)
{
    size_t taken = 0;
    const tinyclap_event event = take(NULL, *samples, &taken, *n, embedding);
    *samples += taken;
    *n -= taken;
    return event;
}

tinyclap_event tinyclap_push_float(const float **samples, size_t *n, float *embedding)
{
    size_t taken = 0;
    const tinyclap_event event = take(*samples, NULL, &taken, *n, embedding);
    *samples += taken;
    *n -= taken;
    return event;
}
