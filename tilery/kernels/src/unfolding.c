/* A block of a TIFF, as it is when it was inflated: bands pixel by pixel, as differences of neighbours or as they are. */

#include "kernels.h"

#define UNFOLD(TYPE, NAME)                                                                                                    \
    /* One band of a row: differences are summed up from the block's edge on, whatever of it is wanted. */                    \
    static void row_##NAME(const TYPE *from, Py_ssize_t bands, Py_ssize_t first, Py_ssize_t number, int differences,          \
                           TYPE *restrict made) {                                                                             \
        TYPE value = 0;                                                                                                       \
        if (!differences) {                                                                                                   \
            for (Py_ssize_t i = 0; i < number; i++) made[i] = from[(first + i) * bands];                                      \
            return;                                                                                                           \
        }                                                                                                                     \
        for (Py_ssize_t i = 0; i < first; i++) value = (TYPE)(value + from[i * bands]);                                       \
        for (Py_ssize_t i = 0; i < number; i++) made[i] = value = (TYPE)(value + from[(first + i) * bands]);                  \
    }

UNFOLD(uint8_t, uint8)
UNFOLD(uint16_t, uint16)

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
    const unsigned types = OF(UINT8) | OF(UINT16);
    if (take(block, of_block, "block", types, 3, 0) || take(made, of_made, "made", types, 3, 1)) goto done;
    if (block->type != made->type) {
        PyErr_SetString(PyExc_ValueError, "block and made: they differ in type");
        goto done;
    }
    const Py_ssize_t bands = length(made, 0), rows = length(made, 1), columns = length(made, 2);
    if (need_equal(length(block, 2), bands, "bands of block")) goto done;
    if (length(block, 1) > 1 && stride(block, 1) != bands * block->view.itemsize) {
        PyErr_SetString(PyExc_ValueError, "block: there are gaps between its pixels");
        goto done;
    }
    if (row < 0 || column < 0 || rows > length(block, 0) || columns > length(block, 1) || row > length(block, 0) - rows
        || column > length(block, 1) - columns) {
        PyErr_SetString(PyExc_ValueError, "row and column: beyond the block");
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < rows; i++) {
        for (Py_ssize_t band = 0; band < bands; band++) {
            const char *from = row_of(block, row + i) + band * block->view.itemsize;
            char *target = (char *)made->view.buf + band * stride(made, 0) + i * stride(made, 1);
            if (block->view.itemsize == 2)
                row_uint16((const uint16_t *)from, bands, column, columns, differences, (uint16_t *)target);
            else
                row_uint8((const uint8_t *)from, bands, column, columns, differences, (uint8_t *)target);
        }
    }
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
done:
    drop(taken, 2);
    return result;
}
