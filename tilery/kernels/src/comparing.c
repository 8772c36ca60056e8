/* An overview of half the size against the level above it: its values against the range of those around them, and sums. */

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* Pixels of the overview around one, to each side, at most. */
#define MOST_REACH 4

typedef struct {
    Py_ssize_t rows, columns;             /* of the overview */
    Py_ssize_t reach;                     /* pixels around one that its range is taken of; at the edges those there are */
    Py_ssize_t top, bottom, left, right;  /* the part whose values are held against their range */
    double allowed, slack;                /* by how much a value may leave it, and by which part of it more */
    Py_ssize_t outside;                   /* how many have left it further */
    int64_t sum, sum_above, squares;      /* of the overview, of four pixels above each, of the squares of these */
} comparison;

#define COMPARE(TYPE, NAME)                                                                                                   \
    /* The lowest, highest and sum of each four pixels of two rows. */                                                        \
    static void pool_##NAME(const TYPE *restrict one, const TYPE *restrict two, Py_ssize_t number, TYPE *restrict low,        \
                            TYPE *restrict high, int64_t *sum, int64_t *squares) {                                            \
        int64_t total = 0, squared = 0;                                                                                       \
        for (Py_ssize_t i = 0; i < number; i++) {                                                                             \
            const TYPE a = one[2 * i], b = one[2 * i + 1], c = two[2 * i], d = two[2 * i + 1];                                \
            const TYPE least = a < b ? a : b, lesser = c < d ? c : d, most = a > b ? a : b, more = c > d ? c : d;             \
            low[i] = least < lesser ? least : lesser;                                                                         \
            high[i] = most > more ? most : more;                                                                              \
        }                                                                                                                     \
        for (Py_ssize_t i = 0; i < number; i++) {                                                                             \
            const int32_t four = (int32_t)one[2 * i] + one[2 * i + 1] + two[2 * i] + two[2 * i + 1];                          \
            total += four;                                                                                                    \
            squared += (int64_t)four * four;                                                                                  \
        }                                                                                                                     \
        *sum += total;                                                                                                        \
        *squares += squared;                                                                                                  \
    }                                                                                                                         \
    static void least_##NAME(TYPE *restrict into, const TYPE *restrict other, Py_ssize_t number) {                            \
        for (Py_ssize_t i = 0; i < number; i++) into[i] = other[i] < into[i] ? other[i] : into[i];                            \
    }                                                                                                                         \
    static void most_##NAME(TYPE *restrict into, const TYPE *restrict other, Py_ssize_t number) {                             \
        for (Py_ssize_t i = 0; i < number; i++) into[i] = other[i] > into[i] ? other[i] : into[i];                            \
    }                                                                                                                         \
    static void compare_##NAME(const array *above, const array *made, comparison *of, void *memory) {                         \
        const Py_ssize_t columns = of->columns, reach = of->reach, ring = 2 * reach + 1;                                      \
        TYPE *lows = memory, *highs = lows + ring * columns, *low = highs + ring * columns, *high = low + columns;            \
        for (Py_ssize_t next = 0; next < of->rows + reach; next++) {                                                          \
            if (next < of->rows) { /* the range along the next row, into the place of one that nobody needs any more */       \
                TYPE *along_low = lows + next % ring * columns, *along_high = highs + next % ring * columns;                  \
                pool_##NAME((const TYPE *)row_of(above, 2 * next), (const TYPE *)row_of(above, 2 * next + 1), columns, low,   \
                            high, &of->sum_above, &of->squares);                                                              \
                memcpy(along_low, low, (size_t)columns * sizeof(TYPE));                                                       \
                memcpy(along_high, high, (size_t)columns * sizeof(TYPE));                                                     \
                for (Py_ssize_t step = 1; step <= reach && step < columns; step++) {                                          \
                    least_##NAME(along_low, low + step, columns - step);                                                      \
                    least_##NAME(along_low + step, low, columns - step);                                                      \
                    most_##NAME(along_high, high + step, columns - step);                                                     \
                    most_##NAME(along_high + step, high, columns - step);                                                     \
                }                                                                                                             \
            }                                                                                                                 \
            const Py_ssize_t row = next - reach;                                                                              \
            if (row < 0) continue;                                                                                            \
            const TYPE *values = (const TYPE *)row_of(made, row);                                                             \
            int64_t total = 0;                                                                                                \
            for (Py_ssize_t i = 0; i < columns; i++) total += values[i];                                                      \
            of->sum += total;                                                                                                 \
            if (row < of->top || row >= of->bottom) continue;                                                                 \
            const Py_ssize_t begin = row - reach > 0 ? row - reach : 0;                                                       \
            const Py_ssize_t end = row + reach < of->rows ? row + reach + 1 : of->rows;                                       \
            memcpy(low, lows + begin % ring * columns, (size_t)columns * sizeof(TYPE));                                       \
            memcpy(high, highs + begin % ring * columns, (size_t)columns * sizeof(TYPE));                                     \
            for (Py_ssize_t other = begin + 1; other < end; other++) {                                                        \
                least_##NAME(low, lows + other % ring * columns, columns);                                                    \
                most_##NAME(high, highs + other % ring * columns, columns);                                                   \
            }                                                                                                                 \
            unsigned beyond = 0;                                                                                              \
            for (Py_ssize_t i = of->left; i < of->right; i++) beyond |= (unsigned)((values[i] < low[i]) | (values[i] > high[i])); \
            if (!beyond) continue;                                                                                            \
            for (Py_ssize_t i = of->left; i < of->right; i++) {                                                               \
                const double most = of->allowed + of->slack * ((double)high[i] - (double)low[i]);                             \
                of->outside += (double)low[i] - (double)values[i] > most || (double)values[i] - (double)high[i] > most;       \
            }                                                                                                                 \
        }                                                                                                                     \
    }

COMPARE(uint8_t, uint8)
COMPARE(uint16_t, uint16)
COMPARE(int16_t, int16)

/* compare(above, made, reach, (top, bottom, left, right), allowed, slack) -> (outside, sum, sum_above, squares) */
PyObject *compare(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *of_above, *of_made;
    comparison of = {0};
    if (!PyArg_ParseTuple(arguments, "OOn(nnnn)dd:compare", &of_above, &of_made, &of.reach, &of.top, &of.bottom, &of.left,
                          &of.right, &of.allowed, &of.slack))
        return NULL;
    array taken[2] = {0};
    array *above = &taken[0], *made = &taken[1];
    PyObject *result = NULL;
    void *memory = NULL;
    const unsigned types = OF(UINT8) | OF(UINT16) | OF(INT16);
    if (take(above, of_above, "above", types, 2, 0) || take(made, of_made, "made", types, 2, 0)) goto done;
    if (above->type != made->type) {
        PyErr_SetString(PyExc_ValueError, "above and made: they differ in type");
        goto done;
    }
    of.rows = length(made, 0);
    of.columns = length(made, 1);
    /* sums of squares of 2^26 sums of four stay below 2^63 */
    if (of.rows > 1 << 26 || of.columns > 1 << 26 || of.rows * of.columns > 1 << 26) {
        PyErr_SetString(PyExc_ValueError, "made: too many pixels");
        goto done;
    }
    if (need_equal(length(above, 0), 2 * of.rows, "rows of above")
        || need_equal(length(above, 1), 2 * of.columns, "columns of above"))
        goto done;
    if (of.reach < 0 || of.reach > MOST_REACH || of.top < 0 || of.bottom > of.rows || of.left < 0 || of.right > of.columns) {
        PyErr_SetString(PyExc_ValueError, "reach and certain: beyond the overview");
        goto done;
    }
    memory = calloc((size_t)(of.columns * (4 * of.reach + 4) + 1), (size_t)made->view.itemsize);
    if (memory == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    if (above->type == UINT16)
        compare_uint16(above, made, &of, memory);
    else if (above->type == INT16)
        compare_int16(above, made, &of, memory);
    else
        compare_uint8(above, made, &of, memory);
    Py_END_ALLOW_THREADS
    result = Py_BuildValue("nLLL", of.outside, (long long)of.sum, (long long)of.sum_above, (long long)of.squares);
done:
    free(memory);
    drop(taken, 2);
    return result;
}
