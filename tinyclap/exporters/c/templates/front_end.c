
/* ---- front end: samples to decibels, TINYCLAP_LANES frames at a time ---- */

#define HALF (N_FFT / 2)
#define LANES TINYCLAP_LANES
#if LANES > 1
static float spectrum_a[N_FFT * LANES], spectrum_b[N_FFT * LANES];
#else
#define spectrum_a ((float *)(void *)(arena + AT_SPECTRUM))
#define spectrum_b ((float *)(void *)(arena + AT_SPECTRUM) + N_FFT)
#endif

/* 10 log10(x) of a normal number above 0, to 1e-6: the polynomial of Cephes' logf. */
static float decibels(float x)
{
    uint32_t bits;
    float m, y, z;
    int32_t e;
    memcpy(&bits, &x, sizeof bits);
    e = (int32_t)(bits >> 23) - 126;
    bits = (bits & 0x007fffffu) | 0x3f000000u;
    memcpy(&m, &bits, sizeof m);
    e -= m < 0.70710678f;
    m = (m < 0.70710678f ? m + m : m) - 1.0f;
    z = m * m;
    y = 7.0376836292e-2f;
    y = y * m - 1.1514610310e-1f;
    y = y * m + 1.1676998740e-1f;
    y = y * m - 1.2420140846e-1f;
    y = y * m + 1.4249322787e-1f;
    y = y * m - 1.6668057665e-1f;
    y = y * m + 2.0000714765e-1f;
    y = y * m - 2.4999993993e-1f;
    y = y * m + 3.3333331174e-1f;
    y = m + (m * z * y - 0.5f * z);
    return 4.3429448190f * y + 3.0102999566f * (float)e;
}

#if FFT_HAS_4
/* One pass of radix 4 (Stockham, decimation in frequency): n points left, s transforms side by side. */
static void pass_4(int n, int s, const float *restrict x, float *restrict y)
{
    const int m = n / 4, row = 2 * LANES;
    int p, q, l;
    for (p = 0; p < m; p++) {
        const float c1 = turns[2 * 2 * p * s], s1 = -turns[2 * 2 * p * s + 1];
        const float c2 = c1 * c1 - s1 * s1, s2 = 2.0f * c1 * s1;
        const float c3 = c1 * c2 - s1 * s2, s3 = c1 * s2 + s1 * c2;
        for (q = 0; q < s; q++) {
            const float *restrict a = x + (q + s * p) * row, *restrict b = a + s * m * row;
            const float *restrict c = b + s * m * row, *restrict d = c + s * m * row;
            float *restrict o = y + (q + s * 4 * p) * row;
            for (l = 0; l < LANES; l++) {
                const float ar = a[l] + c[l], ai = a[LANES + l] + c[LANES + l];
                const float br = a[l] - c[l], bi = a[LANES + l] - c[LANES + l];
                const float cr = b[l] + d[l], ci = b[LANES + l] + d[LANES + l];
                const float dr = b[l] - d[l], di = b[LANES + l] - d[LANES + l];
                const float r1 = br + di, i1 = bi - dr, r2 = ar - cr, i2 = ai - ci, r3 = br - di, i3 = bi + dr;
                o[l] = ar + cr;
                o[LANES + l] = ai + ci;
                o[s * row + l] = c1 * r1 - s1 * i1;
                o[s * row + LANES + l] = c1 * i1 + s1 * r1;
                o[2 * s * row + l] = c2 * r2 - s2 * i2;
                o[2 * s * row + LANES + l] = c2 * i2 + s2 * r2;
                o[3 * s * row + l] = c3 * r3 - s3 * i3;
                o[3 * s * row + LANES + l] = c3 * i3 + s3 * r3;
            }
        }
    }
}
#endif

#if FFT_HAS_2
static void pass_2(int n, int s, const float *restrict x, float *restrict y)
{
    const int m = n / 2, row = 2 * LANES;
    int p, q, l;
    for (p = 0; p < m; p++) {
        const float c1 = turns[2 * 2 * p * s], s1 = -turns[2 * 2 * p * s + 1];
        for (q = 0; q < s; q++) {
            const float *restrict a = x + (q + s * p) * row, *restrict b = a + s * m * row;
            float *restrict o = y + (q + s * 2 * p) * row;
            for (l = 0; l < LANES; l++) {
                const float r = a[l] - b[l], i = a[LANES + l] - b[LANES + l];
                o[l] = a[l] + b[l];
                o[LANES + l] = a[LANES + l] + b[LANES + l];
                o[s * row + l] = c1 * r - s1 * i;
                o[s * row + LANES + l] = c1 * i + s1 * r;
            }
        }
    }
}
#endif

#if FFT_HAS_ODD
/* One pass of radix 3 or 5, as the definition says. */
static void pass_odd(int radix, int n, int s, const float *restrict x, float *restrict y)
{
    static const float roots_3[] = {1.0f, 0.0f, -0.5f, -0.8660254037844386f, -0.5f, 0.8660254037844386f};
    static const float roots_5[] = {1.0f, 0.0f, 0.3090169943749474f, -0.9510565162951535f, -0.8090169943749475f,
        -0.5877852522924731f, -0.8090169943749475f, 0.5877852522924731f, 0.3090169943749474f, 0.9510565162951535f};
    const float *const roots = radix == 3 ? roots_3 : roots_5;
    const int m = n / radix, row = 2 * LANES;
    int p, q, l, j, k;
    for (p = 0; p < m; p++) {
        float c = 1.0f, d = 0.0f;
        for (k = 0; k < radix; k++) {
            for (q = 0; q < s; q++)
                for (l = 0; l < LANES; l++) {
                    float re = 0.0f, im = 0.0f;
                    for (j = 0; j < radix; j++) {
                        const float *const a = x + (q + s * (p + j * m)) * row + l;
                        const float *const w = roots + 2 * (j * k % radix);
                        re += a[0] * w[0] - a[LANES] * w[1];
                        im += a[LANES] * w[0] + a[0] * w[1];
                    }
                    y[(q + s * (radix * p + k)) * row + l] = c * re - d * im;
                    y[(q + s * (radix * p + k)) * row + LANES + l] = c * im + d * re;
                }
            {
                const float c1 = turns[2 * 2 * p * s], s1 = -turns[2 * 2 * p * s + 1], last = c;
                c = c * c1 - d * s1;
                d = last * s1 + d * c1;
            }
        }
    }
}
#endif

/* Windowed frames in spectrum_a, (N_FFT, LANES), to decibels of the mel bands, (N_MELS, LANES), in the same place. */
static float *mel_decibels(void)
{
    float *x = spectrum_a, *y = spectrum_b, *swap;
    int n = HALF, s = 1, i, k, l, m, at = 0;
    for (i = 0; i < N_FACTORS; i++) {
#if FFT_HAS_4
        if (factors[i] == 4)
            pass_4(n, s, x, y);
#endif
#if FFT_HAS_2
        if (factors[i] == 2)
            pass_2(n, s, x, y);
#endif
#if FFT_HAS_ODD
        if (factors[i] & 1)
            pass_odd(factors[i], n, s, x, y);
#endif
        n /= factors[i];
        s *= factors[i];
        swap = x;
        x = y;
        y = swap;
    }
    /* Half-length complex to the real signal's bins, and their powers. */
    for (k = FIRST_BIN; k <= LAST_BIN; k++) {
        const float *restrict a = x + (k % HALF) * 2 * LANES, *restrict b = x + ((HALF - k) % HALF) * 2 * LANES;
        const float c = k < HALF ? turns[2 * (k % HALF)] : -1.0f, d = k < HALF ? -turns[2 * (k % HALF) + 1] : 0.0f;
        float *restrict power = y + (k - FIRST_BIN) * LANES;
        for (l = 0; l < LANES; l++) {
            const float er = 0.5f * (a[l] + b[l]), ei = 0.5f * (a[LANES + l] - b[LANES + l]);
            const float odd_r = 0.5f * (a[LANES + l] + b[LANES + l]), odd_i = -0.5f * (a[l] - b[l]);
            const float re = er + c * odd_r - d * odd_i, im = ei + c * odd_i + d * odd_r;
            power[l] = re * re + im * im;
        }
    }
#if !PLAIN_POWER
    for (k = 0; k < (LAST_BIN - FIRST_BIN + 1) * LANES; k++)
        y[k] = powf(y[k], (float)(0.5 * MAGNITUDE_POWER));
#endif
    for (m = 0; m < N_MELS; m++) {
        const float *restrict power = y + (mel_first[m] - FIRST_BIN) * LANES;
        float sum[LANES] = {0.0f};
        for (k = 0; k < mel_count[m]; k++)
            for (l = 0; l < LANES; l++)
                sum[l] += mel_weights[at + k] * power[k * LANES + l];
        at += mel_count[m];
        for (l = 0; l < LANES; l++)
            x[m * LANES + l] = decibels(sum[l] > LEAST_POWER ? sum[l] : LEAST_POWER);
    }
    return x;
}
