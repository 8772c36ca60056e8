/* Samples of an image at places between its pixels: all bands of a window of another grid.
 *
 * Places are given at nodes, every `step` pixels of the window, and lie on straight lines between two of them. They count
 * from the image's upper left corner, pixels from their centres. A pixel of the window is valid where its place is in the
 * image. Its kernel is cubic (Keys' with a = -1/2), and two by two pixels where not all of that lies in the image, as
 * GDAL's is. */

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

typedef float four __attribute__((vector_size(16)));
typedef int32_t four_integers __attribute__((vector_size(16)));
typedef int64_t two_integers __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(16)));
typedef uint16_t words __attribute__((vector_size(16)));

enum { NEAREST, BILINEAR, CUBIC };

/* Pixels of a row between two nodes, at most. */
#define RUN 64

/* Where pixels of the window lie. */
typedef struct {
    int32_t column[RUN], row[RUN]; /* of the image: the pixel whose centre is left of it and above */
    float across[RUN], down[RUN];  /* how far it is from there */
    uint8_t kind[RUN];
    int whole; /* whether all of them are WHOLE */
} run;

/* Not in the image; in it; in it with all pixels under the kernel. */
enum { OUTSIDE, EDGE, WHOLE };

static inline four cubic_weights(float part) {
    const four c3 = {-0.5f, 1.5f, -1.5f, 0.5f}, c2 = {1.0f, -2.5f, 2.0f, -0.5f}, c1 = {-0.5f, 0.0f, 0.5f, 0.0f};
    const four c0 = {0.0f, 1.0f, 0.0f, 0.0f};
    return ((c3 * part + c2) * part + c1) * part + c0;
}

/* Whether the kernel of a place lies in the image; so does then that of each place between two such. */
static inline int is_whole(double u, double v, double reach, double width, double height) {
    return u >= reach && v >= reach && u < width - reach && v < height - reach;
}

/* The integer at or below a place; a sum with 1 could round up to the next, and a kernel reach beyond the image. */
static inline int32_t rounded_down(double place) {
    const int32_t towards_0 = (int32_t)place;
    return towards_0 - (place < towards_0);
}

/* Places of `number` pixels from (x, y) on, each (dx, dy) further. `half`: how far the centre of a pixel is. */
static void locate(run *of, int number, double x, double y, double dx, double dy, int32_t width, int32_t height, int method) {
    const double half = method == NEAREST ? 0.0 : 0.5, reach = method == CUBIC ? 1.5 : half;
    const double slack = reach + 1e-6; /* sums of steps end a little beside the last place */
    of->whole = is_whole(x, y, slack, width, height)
                && is_whole(x + (number - 1) * dx, y + (number - 1) * dy, slack, width, height);
    if (of->whole) {
        for (int i = 0; i < number; i++) {
            const double u = x + i * dx - half, v = y + i * dy - half;
            of->column[i] = (int32_t)u;
            of->row[i] = (int32_t)v;
            of->across[i] = (float)(u - of->column[i]);
            of->down[i] = (float)(v - of->row[i]);
        }
        return;
    }
    for (int i = 0; i < number; i++) {
        const double u = x + i * dx, v = y + i * dy;
        if (!(u >= 0 && v >= 0 && u <= width && v <= height)) { /* nor is what is not a number */
            of->kind[i] = OUTSIDE;
            continue;
        }
        of->column[i] = rounded_down(u - half);
        of->row[i] = rounded_down(v - half);
        of->across[i] = (float)(u - half - of->column[i]);
        of->down[i] = (float)(v - half - of->row[i]);
        of->kind[i] = is_whole(u, v, reach, width, height) ? WHOLE : EDGE;
    }
}

static inline four load_uint8(const uint8_t *from) {
    uint32_t bits;
    memcpy(&bits, from, 4);
    const bytes nothing = {0}, wide = (bytes)(four_integers){(int32_t)bits, 0, 0, 0};
    const words half = (words)__builtin_shuffle(wide, nothing, (bytes){0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23});
    const words none = {0};
    return __builtin_convertvector((four_integers)__builtin_shuffle(half, none, (words){0, 8, 1, 9, 2, 10, 3, 11}), four);
}

static inline words load_four_words(const void *from) {
    int64_t bits;
    memcpy(&bits, from, 8);
    return (words)(two_integers){bits, 0};
}

static inline four load_uint16(const uint16_t *from) {
    const words none = {0};
    const words wide = __builtin_shuffle(load_four_words(from), none, (words){0, 8, 1, 9, 2, 10, 3, 11});
    return __builtin_convertvector((four_integers)wide, four);
}

static inline four load_int16(const int16_t *from) {
    const words none = {0}; /* into the upper halves, and down again with the sign */
    const words high = __builtin_shuffle(none, load_four_words(from), (words){0, 8, 1, 9, 2, 10, 3, 11});
    return __builtin_convertvector((four_integers)high >> 16, four);
}

static inline four load_float(const float *from) {
    four found;
    memcpy(&found, from, 16);
    return found;
}

static inline float sum(four of) { return (of[0] + of[2]) + (of[1] + of[3]); }

static inline float limited(float value, float least, float most) {
    value = value > least ? value : least;
    return value < most ? value : most;
}

static inline uint8_t as_uint8(float value) { return (uint8_t)(int)(limited(value, 0.0f, 255.0f) + 0.5f); }
static inline uint16_t as_uint16(float value) { return (uint16_t)(int)(limited(value, 0.0f, 65535.0f) + 0.5f); }
static inline int16_t as_int16(float value) {
    return (int16_t)((int)(limited(value, -32768.0f, 32767.0f) + 32768.5f) - 32768);
}
static inline float as_float(float value) { return value; }

static inline int32_t inside(int32_t place, int32_t most) { return place < 0 ? 0 : place < most ? place : most - 1; }

/* Planes of samples: the image's and those of a row that is being made. `line` is the distance of rows, `plane` of bands. */
typedef struct {
    const char *image;
    Py_ssize_t line, plane;
    int32_t width, height;
    char *made;
    Py_ssize_t made_plane;
    Py_ssize_t bands;
} samples;

/* All bands of a run of pixels. */
#define FILL(TYPE, NAME)                                                                                                      \
    static inline TYPE cubic_##NAME(const samples *of, Py_ssize_t at, four across, four down) {                               \
        const char *from = of->image + at;                                                                                    \
        four found = load_##NAME((const TYPE *)from) * down[0];                                                               \
        found += load_##NAME((const TYPE *)(from + of->line)) * down[1];                                                      \
        found += load_##NAME((const TYPE *)(from + 2 * of->line)) * down[2];                                                  \
        found += load_##NAME((const TYPE *)(from + 3 * of->line)) * down[3];                                                  \
        return as_##NAME(sum(found * across));                                                                                \
    }                                                                                                                         \
    static inline TYPE between_##NAME(const samples *of, Py_ssize_t plane, int32_t column, int32_t row, float across, float down) {\
        const TYPE *above = (const TYPE *)(of->image + plane + inside(row, of->height) * of->line);                           \
        const TYPE *below = (const TYPE *)(of->image + plane + inside(row + 1, of->height) * of->line);                       \
        const int32_t left = inside(column, of->width), right = inside(column + 1, of->width);                                \
        const float upper = (float)above[left] * (1.0f - across) + (float)above[right] * across;                              \
        const float lower = (float)below[left] * (1.0f - across) + (float)below[right] * across;                              \
        return as_##NAME(upper * (1.0f - down) + lower * down);                                                               \
    }                                                                                                                         \
    static void fill_##NAME(const samples *of, const run *at, int number, int method) {                                       \
        const Py_ssize_t size = sizeof(TYPE);                                                                                 \
        for (int i = 0; i < number; i++) {                                                                                    \
            TYPE *made = (TYPE *)of->made + i;                                                                                \
            const int kind = at->whole ? WHOLE : at->kind[i];                                                                 \
            if (kind == WHOLE && method == CUBIC) {                                                                           \
                const four across = cubic_weights(at->across[i]), down = cubic_weights(at->down[i]);                          \
                Py_ssize_t first = (at->row[i] - 1) * of->line + (at->column[i] - 1) * size;                                  \
                for (Py_ssize_t band = 0; band < of->bands; band++, first += of->plane) {                                     \
                    *made = cubic_##NAME(of, first, across, down);                                                            \
                    made = (TYPE *)((char *)made + of->made_plane);                                                           \
                }                                                                                                             \
                continue;                                                                                                     \
            }                                                                                                                 \
            Py_ssize_t plane = 0;                                                                                             \
            for (Py_ssize_t band = 0; band < of->bands; band++, plane += of->plane) {                                         \
                if (kind == OUTSIDE)                                                                                          \
                    *made = 0;                                                                                                \
                else if (method == NEAREST)                                                                                   \
                    *made = ((const TYPE *)(of->image + plane + inside(at->row[i], of->height) * of->line))[inside(at->column[i], of->width)];\
                else                                                                                                          \
                    *made = between_##NAME(of, plane, at->column[i], at->row[i], at->across[i], at->down[i]);                 \
                made = (TYPE *)((char *)made + of->made_plane);                                                               \
            }                                                                                                                 \
        }                                                                                                                     \
    }

FILL(uint8_t, uint8)
FILL(uint16_t, uint16)
FILL(int16_t, int16)
FILL(float, float)

typedef void (*filler)(const samples *, const run *, int, int);

static filler filler_of(sample_type type) {
    return type == UINT16 ? fill_uint16 : type == INT16 ? fill_int16 : type == FLOAT32 ? fill_float : fill_uint8;
}

static void warp_rows(const array *image, const array *xs, const array *ys, Py_ssize_t step, array *made, array *valid,
                      int method) {
    const filler fill = filler_of(image->type);
    const int32_t height = (int32_t)length(image, 1), width = (int32_t)length(image, 2);
    const Py_ssize_t rows = length(made, 1), columns = length(made, 2);
    samples of = {
        .image = image->view.buf, .line = stride(image, 1), .plane = stride(image, 0), .width = width, .height = height,
        .made_plane = stride(made, 0), .bands = length(made, 0),
    };
    run at;
    for (Py_ssize_t row = 0; row < rows; row++) {
        const Py_ssize_t node = row / step;
        const double share = (double)(row % step) / (double)step;
        const double *x0 = (const double *)row_of(xs, node), *x1 = (const double *)row_of(xs, node + 1);
        const double *y0 = (const double *)row_of(ys, node), *y1 = (const double *)row_of(ys, node + 1);
        for (Py_ssize_t first = 0, across = 0; first < columns; first += step, across++) {
            const double x = x0[across] + (x1[across] - x0[across]) * share;
            const double y = y0[across] + (y1[across] - y0[across]) * share;
            const double dx = (x0[across + 1] + (x1[across + 1] - x0[across + 1]) * share - x) / (double)step;
            const double dy = (y0[across + 1] + (y1[across + 1] - y0[across + 1]) * share - y) / (double)step;
            const int number = (int)(columns - first < step ? columns - first : step);
            locate(&at, number, x, y, dx, dy, width, height, method);
            uint8_t *there = (uint8_t *)row_of(valid, row) + first;
            for (int i = 0; i < number; i++) there[i] = at.whole || at.kind[i] != OUTSIDE;
            of.made = (char *)made->view.buf + row * stride(made, 1) + first * made->view.itemsize;
            fill(&of, &at, number, method);
        }
    }
}

/* warp(image, xs, ys, step, method, made, valid): fill `made`, and say in `valid` what of it lies on the image. */
PyObject *warp(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *given[5];
    Py_ssize_t step;
    int method;
    if (!PyArg_ParseTuple(arguments, "OOOniOO:warp", &given[0], &given[1], &given[2], &step, &method, &given[3], &given[4]))
        return NULL;
    array taken[5] = {0};
    array *image = &taken[0], *xs = &taken[1], *ys = &taken[2], *made = &taken[3], *valid = &taken[4];
    PyObject *result = NULL;
    const unsigned types = OF(UINT8) | OF(UINT16) | OF(INT16) | OF(FLOAT32);
    if (take(image, given[0], "image", types, 3, 0) || take(xs, given[1], "xs", OF(FLOAT64), 2, 0)
        || take(ys, given[2], "ys", OF(FLOAT64), 2, 0) || take(made, given[3], "made", types, 3, 1)
        || take(valid, given[4], "valid", BYTES, 2, 1))
        goto done;
    if (method < NEAREST || method > CUBIC) {
        PyErr_SetString(PyExc_ValueError, "method: nearest, bilinear and cubic are 0, 1 and 2");
        goto done;
    }
    if (step < 1 || step > RUN) {
        PyErr_Format(PyExc_ValueError, "step: 1 to %d", RUN);
        goto done;
    }
    if (image->type != made->type) {
        PyErr_SetString(PyExc_ValueError, "image and made: they differ in type");
        goto done;
    }
    const Py_ssize_t rows = length(made, 1), columns = length(made, 2);
    if (length(image, 1) < 1 || length(image, 2) < 1 || length(image, 1) > 1 << 28 || length(image, 2) > 1 << 28) {
        PyErr_SetString(PyExc_ValueError, "image: without pixels, or with too many");
        goto done;
    }
    const Py_ssize_t down = (rows + step - 1) / step + 1, across = (columns + step - 1) / step + 1;
    if (need_equal(length(made, 0), length(image, 0), "bands of made") || need_equal(length(valid, 0), rows, "rows of valid")
        || need_equal(length(valid, 1), columns, "columns of valid") || need_equal(length(xs, 0), down, "rows of xs")
        || need_equal(length(xs, 1), across, "columns of xs") || need_equal(length(ys, 0), down, "rows of ys")
        || need_equal(length(ys, 1), across, "columns of ys"))
        goto done;
    Py_BEGIN_ALLOW_THREADS
    clear_registers();
    warp_rows(image, xs, ys, step, made, valid, method);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
done:
    drop(taken, 5);
    return result;
}
