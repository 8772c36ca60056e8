/* Every second pixel of an image that was smoothed: rows first, then columns, in sums of floats of 24 bits. */

#include <stdlib.h>
#include <string.h>

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

/* A row of what was made, from its rows above on. */
static void halve_row(const array *image, const char *first, taps rows, taps columns, Py_ssize_t number, float *memory,
                      Py_ssize_t width, char *target) {
    const Py_ssize_t places = 2 * (number - 1) + columns.number;
    float *sums = memory, *even = sums + width, *odd = even + width, *found = odd + width;
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

/* Whether all under the kernels of a row is there, and any of the four pixels in their middle. `whole` and `some` are the same
 * column by column. */
WIDE static void all_and_any(const array *there, Py_ssize_t row, taps rows, taps columns, Py_ssize_t number,
                             uint8_t *restrict whole, uint8_t *restrict some, uint8_t *restrict all, uint8_t *restrict any) {
    if (number < 1) return;
    const Py_ssize_t places = 2 * (number - 1) + columns.number;
    memset(whole, 1, (size_t)places);
    for (int tap = 0; tap < rows.number; tap++) {
        const uint8_t *restrict from = (const uint8_t *)row_of(there, row + tap);
        for (Py_ssize_t i = 0; i < places; i++) whole[i] &= from[i];
    }
    const int middle = rows.number / 2 - 1, centre = columns.number / 2 - 1;
    const uint8_t *restrict one = (const uint8_t *)row_of(there, row + middle);
    const uint8_t *restrict two = (const uint8_t *)row_of(there, row + middle + 1);
    for (Py_ssize_t i = 0; i < places; i++) some[i] = one[i] | two[i];
    for (Py_ssize_t i = 0; i < number; i++) any[i] = some[2 * i + centre] | some[2 * i + centre + 1];
    memset(all, 1, (size_t)number);
    for (int tap = 0; tap < columns.number; tap++)
        for (Py_ssize_t i = 0; i < number; i++) all[i] &= whole[2 * i + tap];
}

/* The mean of those of four pixels that are there, in floats of 24 bits; of integers up to 2^18 that is the nearest one. */
#define MEAN(TYPE, NAME)                                                                                                      \
    static void mean_##NAME(const array *image, const array *there, Py_ssize_t row, Py_ssize_t column, TYPE *made) {          \
        float sum = 0, number = 0;                                                                                            \
        for (int i = 0; i < 2; i++) {                                                                                         \
            const TYPE *values = (const TYPE *)row_of(image, row + i) + column;                                               \
            const uint8_t *of_row = (const uint8_t *)row_of(there, row + i) + column;                                         \
            for (int k = 0; k < 2; k++) {                                                                                     \
                sum += of_row[k] ? (float)values[k] : 0.0f;                                                                   \
                number += of_row[k] ? 1.0f : 0.0f;                                                                            \
            }                                                                                                                 \
        }                                                                                                                     \
        *made = (TYPE)(int32_t)((sum / number + LARGE) - LARGE);                                                              \
    }

MEAN(uint8_t, uint8)
MEAN(uint16_t, uint16)
MEAN(int16_t, int16)

/* Means where not all under the kernel is there, and 0 where nothing is. */
static void mend_row(const array *image, const array *there, Py_ssize_t row, Py_ssize_t centre, Py_ssize_t number,
                     const uint8_t *all, const uint8_t *any, char *target) {
    const Py_ssize_t size = image->view.itemsize;
    for (Py_ssize_t i = 0; i < number; i++) {
        if (all[i]) continue;
        char *made = target + i * size;
        if (!any[i])
            memset(made, 0, (size_t)size);
        else if (image->type == UINT16)
            mean_uint16(image, there, row, 2 * i + centre, (uint16_t *)made);
        else if (image->type == INT16)
            mean_int16(image, there, row, 2 * i + centre, (int16_t *)made);
        else
            mean_uint8(image, there, row, 2 * i + centre, (uint8_t *)made);
    }
}

static void halve_rows(const array *image, const array *there, taps rows, taps columns, array *made, array *valid, float *memory,
                       Py_ssize_t width) {
    const Py_ssize_t number = length(made, 1);
    uint8_t *whole = (uint8_t *)(memory + 4 * width), *some = whole + width, *all = some + width;
    for (Py_ssize_t row = 0; row < length(made, 0); row++) {
        char *target = row_of(made, row);
        if (!there->held) {
            halve_row(image, row_of(image, 2 * row), rows, columns, number, memory, width, target);
            continue;
        }
        uint8_t *any = (uint8_t *)row_of(valid, row);
        all_and_any(there, 2 * row, rows, columns, number, whole, some, all, any);
        if (memchr(all, 1, (size_t)number))
            halve_row(image, row_of(image, 2 * row), rows, columns, number, memory, width, target);
        if (!memchr(all, 0, (size_t)number)) continue;
        mend_row(image, there, 2 * row + rows.number / 2 - 1, columns.number / 2 - 1, number, all, any, target);
    }
}

/* What both take: image, rows, columns, made, and of halve_valid what of the image is there and what of `made` is. */
static PyObject *halve_any(PyObject **given, int with_valid) {
    array taken[6] = {0};
    array *image = &taken[0], *rows = &taken[1], *columns = &taken[2], *made = &taken[3], *there = &taken[4], *valid = &taken[5];
    PyObject *result = NULL;
    float *memory = NULL;
    const unsigned types = OF(UINT8) | OF(UINT16) | OF(INT16);
    if (take(image, given[0], "image", types, 2, 0) || take(rows, given[1], "rows", OF(FLOAT32), 1, 0)
        || take(columns, given[2], "columns", OF(FLOAT32), 1, 0) || take(made, given[3], "made", types, 2, 1))
        goto done;
    if (with_valid
        && (take(there, given[4], "there", OF(BOOLEAN), 2, 0) || take(valid, given[5], "valid", OF(BOOLEAN), 2, 1)))
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
    if (with_valid && (down.number % 2 || along.number % 2)) {
        PyErr_SetString(PyExc_ValueError, "rows and columns: an odd number of weights has no two in the middle");
        goto done;
    }
    if (with_valid
        && (need_equal(length(there, 0), length(image, 0), "rows of there")
            || need_equal(length(there, 1), length(image, 1), "columns of there")
            || need_equal(length(valid, 0), length(made, 0), "rows of valid")
            || need_equal(length(valid, 1), length(made, 1), "columns of valid")))
        goto done;
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
        memory = calloc((size_t)width * 5, sizeof(float));
        if (memory == NULL) {
            PyErr_NoMemory();
            goto done;
        }
        Py_BEGIN_ALLOW_THREADS
        clear_registers();
        halve_rows(image, there, down, along, made, valid, memory, width);
        Py_END_ALLOW_THREADS
    }
    result = Py_NewRef(Py_None);
done:
    free(memory);
    drop(taken, 6);
    return result;
}

/* halve(image, rows, columns, made): each pixel of `made` is the sum, by these weights, of what lies from the pixel of the
 * image on that has twice its row and twice its column. */
PyObject *halve(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *given[6] = {0};
    if (!PyArg_ParseTuple(arguments, "OOOO:halve", &given[0], &given[1], &given[2], &given[3])) return NULL;
    return halve_any(given, 0);
}

/* halve_valid(image, rows, columns, made, there, valid): the same of an image of which not all is there. A pixel is valid where
 * one of the four in the middle of its kernel is there; where one of all that are under it is not, it is the mean of these. */
PyObject *halve_valid(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *given[6];
    if (!PyArg_ParseTuple(arguments, "OOOOOO:halve_valid", &given[0], &given[1], &given[2], &given[3], &given[4], &given[5]))
        return NULL;
    return halve_any(given, 1);
}
