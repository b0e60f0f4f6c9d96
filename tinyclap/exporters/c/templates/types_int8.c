typedef int16_t image_t;
typedef int8_t label_t;
#ifdef TINYCLAP_CMSIS_NN
typedef int32_t shift_t;
#else
typedef int8_t shift_t;
#endif
typedef struct { /* weights (out, in), of a depthwise layer (3, 3, out); the input's zero point is in the bias */
    int in, out, zero;
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const shift_t *shift;
    const int8_t *table;
} dense_t;
typedef struct { /* (x - subtracted) * multiplier / 2^31 * 2^shift + zero */
    int32_t multiplier, shift, subtracted, zero;
} scaling_t;
typedef struct {
    scaling_t first, second, sum;
} addition_t;
typedef struct {
    int in, out, in_zero;
    float in_scale;
    const int8_t *weights;
    const int32_t *bias;
    const float *scales;
} head_t;
typedef struct {
    int height, width, channels, hidden, out_height, out_width, stride_y, stride_x, residual, hidden_zero;
    const dense_t *expand, *depthwise, *squeeze, *excite, *project;
    scaling_t mean, gate;
    addition_t add;
    size_t at_in, at_rows, at_inner, at_sums, at_squeezed, at_project_row, at_out;
} block_t;
