/* Bands to the pixels of a TIFF's block and back: pixel by pixel, as differences of neighbours or as they are. */

#include <string.h>

#include "kernels.h"

/* Loops of which the number of bands is known when they are compiled. */
#define EACH(BANDS, CALL)                                                                                                     \
    switch (BANDS) {                                                                                                          \
    case 1: CALL(1); break;                                                                                                   \
    case 3: CALL(3); break;                                                                                                   \
    case 4: CALL(4); break;                                                                                                   \
    default: CALL(BANDS);                                                                                                     \
    }

#define ALWAYS static inline __attribute__((always_inline))

#define FOLD(TYPE, NAME)                                                                                                      \
    /* A row of all bands, `plane` samples from one to the next. */                                                           \
    ALWAYS void fold_bands_##NAME(const TYPE *from, Py_ssize_t plane, Py_ssize_t bands, Py_ssize_t number, int differences,   \
                                  TYPE *restrict made) {                                                                      \
        for (Py_ssize_t band = 0; band < bands; band++) made[band] = from[band * plane];                                      \
        if (differences)                                                                                                      \
            for (Py_ssize_t i = 1; i < number; i++)                                                                           \
                for (Py_ssize_t band = 0; band < bands; band++)                                                               \
                    made[i * bands + band] = (TYPE)(from[band * plane + i] - from[band * plane + i - 1]);                     \
        else                                                                                                                  \
            for (Py_ssize_t i = 1; i < number; i++)                                                                           \
                for (Py_ssize_t band = 0; band < bands; band++) made[i * bands + band] = from[band * plane + i];              \
    }                                                                                                                         \
    static void fold_row_##NAME(const TYPE *from, Py_ssize_t plane, Py_ssize_t bands, Py_ssize_t number, Py_ssize_t all,      \
                                int differences, TYPE *restrict made) {                                                       \
        EACH(bands, FOLD_##NAME)                                                                                              \
        for (Py_ssize_t i = number; i < all; i++)                                                                             \
            for (Py_ssize_t band = 0; band < bands; band++)                                                                   \
                made[i * bands + band] = differences ? 0 : made[(number - 1) * bands + band];                                 \
    }                                                                                                                         \
    /* The same back: differences are summed up from the block's edge on, whatever of it is wanted. */                        \
    ALWAYS void unfold_bands_##NAME(const TYPE *from, Py_ssize_t plane, Py_ssize_t bands, Py_ssize_t first, Py_ssize_t number,\
                                    int differences, TYPE *restrict made) {                                                   \
        for (Py_ssize_t start = 0; start < bands; start += 4) { /* a few sums at a time, which do not wait for one another */ \
            const Py_ssize_t few = bands - start < 4 ? bands - start : 4;                                                     \
            TYPE values[4] = {0};                                                                                             \
            if (differences)                                                                                                  \
                for (Py_ssize_t i = 0; i < first; i++)                                                                        \
                    for (Py_ssize_t k = 0; k < few; k++) values[k] = (TYPE)(values[k] + from[i * bands + start + k]);         \
            for (Py_ssize_t i = 0; i < number; i++)                                                                           \
                for (Py_ssize_t k = 0; k < few; k++) {                                                                        \
                    const TYPE value = from[(first + i) * bands + start + k];                                                 \
                    made[(start + k) * plane + i] = values[k] = (TYPE)(differences ? values[k] + value : value);              \
                }                                                                                                             \
        }                                                                                                                     \
    }                                                                                                                         \
    static void unfold_row_##NAME(const TYPE *from, Py_ssize_t plane, Py_ssize_t bands, Py_ssize_t first, Py_ssize_t number,  \
                                  int differences, TYPE *restrict made) {                                                     \
        EACH(bands, UNFOLD_##NAME)                                                                                            \
    }

#define FOLD_uint8(BANDS) fold_bands_uint8(from, plane, BANDS, number, differences, made)
#define FOLD_uint16(BANDS) fold_bands_uint16(from, plane, BANDS, number, differences, made)
#define UNFOLD_uint8(BANDS) unfold_bands_uint8(from, plane, BANDS, first, number, differences, made)
#define UNFOLD_uint16(BANDS) unfold_bands_uint16(from, plane, BANDS, first, number, differences, made)

FOLD(uint8_t, uint8)
FOLD(uint16_t, uint16)

/* Take bands (bands, rows, columns) and a block (rows, columns, bands), of which the pixels of a row have no gaps. */
static int take_both(array *data, PyObject *of_data, int writable, array *block, PyObject *of_block) {
    const unsigned types = OF(UINT8) | OF(UINT16);
    if (take(data, of_data, "data", types, 3, writable) || take(block, of_block, "block", types, 3, !writable)) return -1;
    if (block->type != data->type) {
        PyErr_SetString(PyExc_ValueError, "block and data: they differ in type");
        return -1;
    }
    const Py_ssize_t bands = length(data, 0), size = block->view.itemsize;
    if (need_equal(length(block, 2), bands, "bands of block")) return -1;
    if (length(block, 1) > 1 && stride(block, 1) != bands * size) {
        PyErr_SetString(PyExc_ValueError, "block: there are gaps between its pixels");
        return -1;
    }
    return 0;
}

/* fold(data, differences, block): fill a block from its first row and column on with bands, beyond these with their outermost
 * pixels. */
PyObject *fold(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *of_data, *of_block;
    int differences;
    if (!PyArg_ParseTuple(arguments, "OpO:fold", &of_data, &differences, &of_block)) return NULL;
    array taken[2] = {0};
    array *data = &taken[0], *block = &taken[1];
    PyObject *result = NULL;
    if (take_both(data, of_data, 0, block, of_block)) goto done;
    const Py_ssize_t bands = length(data, 0), rows = length(data, 1), columns = length(data, 2), size = block->view.itemsize;
    if (rows < 1 || columns < 1 || rows > length(block, 0) || columns > length(block, 1)) {
        PyErr_SetString(PyExc_ValueError, "data: without pixels, or beyond the block");
        goto done;
    }
    const Py_ssize_t plane = stride(data, 0) / size, all = length(block, 1);
    Py_BEGIN_ALLOW_THREADS
    clear_registers();
    for (Py_ssize_t row = 0; row < length(block, 0); row++) {
        const char *from = (const char *)data->view.buf + row * stride(data, 1);
        char *made = row_of(block, row);
        if (row >= rows)
            memcpy(made, row_of(block, rows - 1), (size_t)(all * bands * size));
        else if (size == 2)
            fold_row_uint16((const uint16_t *)from, plane, bands, columns, all, differences, (uint16_t *)made);
        else
            fold_row_uint8((const uint8_t *)from, plane, bands, columns, all, differences, (uint8_t *)made);
    }
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
done:
    drop(taken, 2);
    return result;
}

/* unfold(block, row, column, differences, made): fill `made` (bands, rows, columns) from this row and column of a block on. */
PyObject *unfold(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *of_block, *of_made;
    Py_ssize_t row, column;
    int differences;
    if (!PyArg_ParseTuple(arguments, "OnnpO:unfold", &of_block, &row, &column, &differences, &of_made)) return NULL;
    array taken[2] = {0};
    array *block = &taken[0], *made = &taken[1];
    PyObject *result = NULL;
    if (take_both(made, of_made, 1, block, of_block)) goto done;
    const Py_ssize_t bands = length(made, 0), rows = length(made, 1), columns = length(made, 2), size = block->view.itemsize;
    if (row < 0 || column < 0 || rows > length(block, 0) || columns > length(block, 1) || row > length(block, 0) - rows
        || column > length(block, 1) - columns) {
        PyErr_SetString(PyExc_ValueError, "row and column: beyond the block");
        goto done;
    }
    const Py_ssize_t plane = stride(made, 0) / size;
    Py_BEGIN_ALLOW_THREADS
    clear_registers();
    for (Py_ssize_t i = 0; i < rows; i++) {
        const char *from = row_of(block, row + i);
        char *to = (char *)made->view.buf + i * stride(made, 1);
        if (size == 2)
            unfold_row_uint16((const uint16_t *)from, plane, bands, column, columns, differences, (uint16_t *)to);
        else
            unfold_row_uint8((const uint8_t *)from, plane, bands, column, columns, differences, (uint8_t *)to);
    }
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
done:
    drop(taken, 2);
    return result;
}
