/* Every second pixel of an image that was smoothed: rows first, then columns, in sums of floats of 24 bits. */

#include <stdlib.h>

#include "kernels.h"

/* Pixels under a kernel along a side, at most. */
#define MOST_TAPS 16

/* The same loops for processors that take eight floats at a time; the results are the same. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

typedef struct {
    const float *weights;
    int number;
} taps;

#define DOWN(TYPE, NAME)                                                                                                      \
    WIDE static void down_##NAME(const char *first, Py_ssize_t line, taps of, Py_ssize_t number, float *restrict sums) {      \
        for (int tap = 0; tap < of.number; tap++) {                                                                           \
            const TYPE *restrict from = (const TYPE *)(first + tap * line);                                                   \
            const float by = of.weights[tap];                                                                                 \
            if (tap == 0)                                                                                                     \
                for (Py_ssize_t i = 0; i < number; i++) sums[i] = (float)from[i] * by;                                        \
            else                                                                                                              \
                for (Py_ssize_t i = 0; i < number; i++) sums[i] += (float)from[i] * by;                                       \
        }                                                                                                                     \
    }

DOWN(uint8_t, uint8)
DOWN(uint16_t, uint16)
DOWN(int16_t, int16)

/* Sums of each second place's neighbours: of even and odd places apart, so that neighbours lie together. */
WIDE static void across(const float *restrict sums, taps of, Py_ssize_t number, float *restrict even, float *restrict odd,
                        float *restrict found) {
    const Py_ssize_t pairs = number + (of.number + 1) / 2;
    for (Py_ssize_t i = 0; i < pairs; i++) {
        even[i] = sums[2 * i];
        odd[i] = sums[2 * i + 1];
    }
    for (int tap = 0; tap < of.number; tap++) {
        const float *restrict from = (tap % 2 ? odd : even) + tap / 2;
        const float by = of.weights[tap];
        if (tap == 0)
            for (Py_ssize_t i = 0; i < number; i++) found[i] = from[i] * by;
        else
            for (Py_ssize_t i = 0; i < number; i++) found[i] += from[i] * by;
    }
}

/* To the nearest integer, and to the even one of two: what adding and taking away a large number leaves of a float. */
#define LARGE 12582912.0f

#define ROUND(TYPE, NAME, LEAST, MOST)                                                                                        \
    WIDE static void round_##NAME(const float *restrict found, Py_ssize_t number, TYPE *restrict made) {                      \
        for (Py_ssize_t i = 0; i < number; i++) {                                                                             \
            float value = found[i] > LEAST ? found[i] : LEAST; /* so is what is not a number */                              \
            value = value < MOST ? value : MOST;                                                                              \
            made[i] = (TYPE)(int32_t)((value + LARGE) - LARGE);                                                               \
        }                                                                                                                     \
    }

ROUND(uint8_t, uint8, 0.0f, 255.0f)
ROUND(uint16_t, uint16, 0.0f, 65535.0f)
ROUND(int16_t, int16, -32768.0f, 32767.0f)

static void halve_rows(const array *image, taps rows, taps columns, array *made, float *memory, Py_ssize_t width) {
    const Py_ssize_t number = length(made, 1), places = 2 * (number - 1) + columns.number;
    float *sums = memory, *even = sums + width, *odd = even + width, *found = odd + width;
    for (Py_ssize_t row = 0; row < length(made, 0); row++) {
        const char *first = row_of(image, 2 * row);
        char *target = row_of(made, row);
        if (image->type == UINT16)
            down_uint16(first, stride(image, 0), rows, places, sums);
        else if (image->type == INT16)
            down_int16(first, stride(image, 0), rows, places, sums);
        else
            down_uint8(first, stride(image, 0), rows, places, sums);
        across(sums, columns, number, even, odd, found);
        if (image->type == UINT16)
            round_uint16(found, number, (uint16_t *)target);
        else if (image->type == INT16)
            round_int16(found, number, (int16_t *)target);
        else
            round_uint8(found, number, (uint8_t *)target);
    }
}

/* halve(image, rows, columns, made): each pixel of `made` is the sum, by these weights, of what lies from the pixel of the
 * image on that has twice its row and twice its column. */
PyObject *halve(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *given[4];
    if (!PyArg_ParseTuple(arguments, "OOOO:halve", &given[0], &given[1], &given[2], &given[3])) return NULL;
    array taken[4] = {0};
    array *image = &taken[0], *rows = &taken[1], *columns = &taken[2], *made = &taken[3];
    PyObject *result = NULL;
    float *memory = NULL;
    const unsigned types = OF(UINT8) | OF(UINT16) | OF(INT16);
    if (take(image, given[0], "image", types, 2, 0) || take(rows, given[1], "rows", OF(FLOAT32), 1, 0)
        || take(columns, given[2], "columns", OF(FLOAT32), 1, 0) || take(made, given[3], "made", types, 2, 1))
        goto done;
    if (image->type != made->type) {
        PyErr_SetString(PyExc_ValueError, "image and made: they differ in type");
        goto done;
    }
    const taps down = {rows->view.buf, (int)length(rows, 0)}, along = {columns->view.buf, (int)length(columns, 0)};
    if (length(rows, 0) < 1 || length(rows, 0) > MOST_TAPS || length(columns, 0) < 1 || length(columns, 0) > MOST_TAPS) {
        PyErr_Format(PyExc_ValueError, "rows and columns: 1 to %d weights", MOST_TAPS);
        goto done;
    }
    if (length(made, 0) && length(made, 1)) {
        if (length(made, 0) > 1 << 28 || length(made, 1) > 1 << 28) {
            PyErr_SetString(PyExc_ValueError, "made: too many pixels");
            goto done;
        }
        if (need_equal(length(image, 0), 2 * (length(made, 0) - 1) + down.number, "rows of image")
            || need_equal(length(image, 1), 2 * (length(made, 1) - 1) + along.number, "columns of image"))
            goto done;
        /* `across` pairs places up, and has a pair more than there are weights where their number is odd */
        const Py_ssize_t width = 2 * length(made, 1) + along.number + 2;
        memory = calloc((size_t)width * 4, sizeof(float));
        if (memory == NULL) {
            PyErr_NoMemory();
            goto done;
        }
        Py_BEGIN_ALLOW_THREADS
        halve_rows(image, down, along, made, memory, width);
        Py_END_ALLOW_THREADS
    }
    result = Py_NewRef(Py_None);
done:
    free(memory);
    drop(taken, 4);
    return result;
}
