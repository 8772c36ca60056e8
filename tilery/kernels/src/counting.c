/* How often each value occurs. */

#include <string.h>

#include "kernels.h"

/* Tables that take turns: equal neighbours would wait for each other's sum in one. */
#define TURNS 4

static void count_bytes(const uint8_t *values, const uint8_t *valid, Py_ssize_t number, uint64_t tables[TURNS][256]) {
    Py_ssize_t i = 0;
    if (valid) {
        for (; i < number; i++) tables[i % TURNS][values[i]] += valid[i] != 0;
        return;
    }
    for (; i + 8 <= number; i += 8) {
        uint64_t eight;
        memcpy(&eight, values + i, 8);
        for (int k = 0; k < 8; k++) tables[k % TURNS][(uint8_t)(eight >> (8 * k))]++;
    }
    for (; i < number; i++) tables[0][values[i]]++;
}

static void count_words(const uint16_t *values, const uint8_t *valid, Py_ssize_t number, uint16_t flip, int64_t *counts) {
    for (Py_ssize_t i = 0; i < number; i++) counts[(uint16_t)(values[i] ^ flip)] += valid ? valid[i] != 0 : 1;
}

/* count_values(values, counts, valid): add how often each value occurs to counts, from the lowest of the type on. */
PyObject *count_values(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *of_values, *of_counts, *of_valid;
    if (!PyArg_ParseTuple(arguments, "OOO:count_values", &of_values, &of_counts, &of_valid)) return NULL;
    array taken[3] = {0};
    array *values = &taken[0], *counts = &taken[1], *valid = &taken[2];
    PyObject *result = NULL;
    const unsigned types = BYTES | OF(INT8) | OF(UINT16) | OF(INT16);
    if (take(values, of_values, "values", types, 2, 0) || take(counts, of_counts, "counts", OF(INT64), 1, 1)
        || take_optional(valid, of_valid, "valid", BYTES, 2, 0))
        goto done;
    const int wide = values->view.itemsize == 2;
    const Py_ssize_t number = wide ? 65536 : values->type == BOOLEAN ? 2 : 256;
    const Py_ssize_t rows = length(values, 0), columns = length(values, 1);
    if (need_equal(length(counts, 0), number, "length of counts")) goto done;
    if (valid->held
        && (need_equal(length(valid, 0), rows, "rows of valid") || need_equal(length(valid, 1), columns, "columns of valid")))
        goto done;
    int64_t *total = counts->view.buf;
    Py_BEGIN_ALLOW_THREADS
    clear_registers();
    uint64_t tables[TURNS][256] = {0};
    for (Py_ssize_t row = 0; row < rows; row++) {
        const uint8_t *of_row = valid->held ? (const uint8_t *)row_of(valid, row) : NULL;
        if (wide)
            count_words((const uint16_t *)row_of(values, row), of_row, columns, values->type == INT16 ? 0x8000 : 0, total);
        else
            count_bytes((const uint8_t *)row_of(values, row), of_row, columns, tables);
    }
    if (!wide) {
        const int flip = values->type == INT8 ? 0x80 : 0;
        for (int value = 0; value < 256; value++) {
            const uint64_t found = tables[0][value] + tables[1][value] + tables[2][value] + tables[3][value];
            total[values->type == BOOLEAN ? value != 0 : value ^ flip] += (int64_t)found;
        }
    }
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
done:
    drop(taken, 3);
    return result;
}
