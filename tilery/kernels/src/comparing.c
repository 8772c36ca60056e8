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
    Py_ssize_t pixels, misjudged;         /* where only some is there: pixels of both, and those that only one has */
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
    /* The range along a row. */                                                                                              \
    static void along_##NAME(const TYPE *low, const TYPE *high, Py_ssize_t columns, Py_ssize_t reach, TYPE *lowest,           \
                             TYPE *highest) {                                                                                 \
        memcpy(lowest, low, (size_t)columns * sizeof(TYPE));                                                                  \
        memcpy(highest, high, (size_t)columns * sizeof(TYPE));                                                                \
        for (Py_ssize_t step = 1; step <= reach && step < columns; step++) {                                                  \
            least_##NAME(lowest, low + step, columns - step);                                                                 \
            least_##NAME(lowest + step, low, columns - step);                                                                 \
            most_##NAME(highest, high + step, columns - step);                                                                \
            most_##NAME(highest + step, high, columns - step);                                                                \
        }                                                                                                                     \
    }                                                                                                                         \
    /* The range of a row and of those around it, which lie in a ring. */                                                     \
    static void around_##NAME(const TYPE *lows, const TYPE *highs, Py_ssize_t row, const comparison *of, TYPE *low, TYPE *high) {\
        const Py_ssize_t columns = of->columns, reach = of->reach, ring = 2 * reach + 1;                                      \
        const Py_ssize_t begin = row - reach > 0 ? row - reach : 0;                                                           \
        const Py_ssize_t end = row + reach < of->rows ? row + reach + 1 : of->rows;                                           \
        memcpy(low, lows + begin % ring * columns, (size_t)columns * sizeof(TYPE));                                           \
        memcpy(high, highs + begin % ring * columns, (size_t)columns * sizeof(TYPE));                                         \
        for (Py_ssize_t other = begin + 1; other < end; other++) {                                                            \
            least_##NAME(low, lows + other % ring * columns, columns);                                                        \
            most_##NAME(high, highs + other % ring * columns, columns);                                                       \
        }                                                                                                                     \
    }                                                                                                                         \
    static void compare_##NAME(const array *above, const array *made, comparison *of, void *memory) {                         \
        const Py_ssize_t columns = of->columns, reach = of->reach, ring = 2 * reach + 1;                                      \
        TYPE *lows = memory, *highs = lows + ring * columns, *low = highs + ring * columns, *high = low + columns;            \
        for (Py_ssize_t next = 0; next < of->rows + reach; next++) {                                                          \
            if (next < of->rows) { /* the range along the next row, into the place of one that nobody needs any more */       \
                pool_##NAME((const TYPE *)row_of(above, 2 * next), (const TYPE *)row_of(above, 2 * next + 1), columns, low,   \
                            high, &of->sum_above, &of->squares);                                                              \
                along_##NAME(low, high, columns, reach, lows + next % ring * columns, highs + next % ring * columns);         \
            }                                                                                                                 \
            const Py_ssize_t row = next - reach;                                                                              \
            if (row < 0) continue;                                                                                            \
            const TYPE *values = (const TYPE *)row_of(made, row);                                                             \
            int64_t total = 0;                                                                                                \
            for (Py_ssize_t i = 0; i < columns; i++) total += values[i];                                                      \
            of->sum += total;                                                                                                 \
            if (row < of->top || row >= of->bottom) continue;                                                                 \
            around_##NAME(lows, highs, row, of, low, high);                                                                   \
            unsigned beyond = 0;                                                                                              \
            for (Py_ssize_t i = of->left; i < of->right; i++) beyond |= (unsigned)((values[i] < low[i]) | (values[i] > high[i]));\
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

#define COMPARE_VALID(TYPE, NAME, LEAST, MOST)                                                                                \
    /* The lowest and highest of those of four pixels that are there, and the sums of a row; the mean of one to four pixels is a\
     * whole number of twelfths. */                                                                                           \
    static void pool_valid_##NAME(const array *above, const array *made, const array *there, const array *valid, Py_ssize_t row,\
                                  comparison *of, TYPE *restrict low, TYPE *restrict high) {                                  \
        static const int64_t twelfths[5] = {0, 12, 6, 4, 3};                                                                  \
        const TYPE *one = (const TYPE *)row_of(above, 2 * row), *two = (const TYPE *)row_of(above, 2 * row + 1);              \
        const uint8_t *of_one = (const uint8_t *)row_of(there, 2 * row), *of_two = (const uint8_t *)row_of(there, 2 * row + 1);\
        const TYPE *values = (const TYPE *)row_of(made, row);                                                                 \
        const uint8_t *of_made = (const uint8_t *)row_of(valid, row);                                                         \
        for (Py_ssize_t i = 0; i < of->columns; i++) {                                                                        \
            const int a = of_one[2 * i], b = of_one[2 * i + 1], c = of_two[2 * i], d = of_two[2 * i + 1];                     \
            const TYPE p = one[2 * i], q = one[2 * i + 1], r = two[2 * i], s = two[2 * i + 1];                                \
            const TYPE la = a ? p : MOST, lb = b ? q : MOST, lc = c ? r : MOST, ld = d ? s : MOST;                            \
            const TYPE ha = a ? p : LEAST, hb = b ? q : LEAST, hc = c ? r : LEAST, hd = d ? s : LEAST;                        \
            const TYPE least = la < lb ? la : lb, lesser = lc < ld ? lc : ld, most = ha > hb ? ha : hb, more = hc > hd ? hc : hd;\
            low[i] = least < lesser ? least : lesser;                                                                         \
            high[i] = most > more ? most : more;                                                                              \
        }                                                                                                                     \
        for (Py_ssize_t i = 0; i < of->columns; i++) {                                                                        \
            const int a = of_one[2 * i], b = of_one[2 * i + 1], c = of_two[2 * i], d = of_two[2 * i + 1];                     \
            const int number = a + b + c + d, both = (number > 0) & of_made[i];                                               \
            const int32_t upper = (a ? one[2 * i] : 0) + (b ? one[2 * i + 1] : 0);                                            \
            const int32_t sum = upper + (c ? two[2 * i] : 0) + (d ? two[2 * i + 1] : 0);                                      \
            const int64_t mean = both ? sum * twelfths[number] : 0;                                                           \
            of->misjudged += (number > 0) != of_made[i];                                                                      \
            of->pixels += both;                                                                                               \
            of->sum += both ? values[i] : 0;                                                                                  \
            of->sum_above += mean;                                                                                            \
            of->squares += mean * mean;                                                                                       \
        }                                                                                                                     \
    }                                                                                                                         \
    static void compare_valid_##NAME(const array *above, const array *made, const array *there, const array *valid,           \
                                     comparison *of, void *memory) {                                                          \
        const Py_ssize_t columns = of->columns, reach = of->reach, ring = 2 * reach + 1;                                      \
        TYPE *lows = memory, *highs = lows + ring * columns, *low = highs + ring * columns, *high = low + columns;            \
        for (Py_ssize_t next = 0; next < of->rows + reach; next++) {                                                          \
            if (next < of->rows) {                                                                                            \
                pool_valid_##NAME(above, made, there, valid, next, of, low, high);                                            \
                along_##NAME(low, high, columns, reach, lows + next % ring * columns, highs + next % ring * columns);         \
            }                                                                                                                 \
            const Py_ssize_t row = next - reach;                                                                              \
            if (row < of->top || row >= of->bottom) continue;                                                                 \
            around_##NAME(lows, highs, row, of, low, high);                                                                   \
            const TYPE *values = (const TYPE *)row_of(made, row);                                                             \
            const uint8_t *of_made = (const uint8_t *)row_of(valid, row);                                                     \
            const uint8_t *one = (const uint8_t *)row_of(there, 2 * row), *two = (const uint8_t *)row_of(there, 2 * row + 1); \
            unsigned beyond = 0;                                                                                              \
            for (Py_ssize_t i = of->left; i < of->right; i++) beyond |= (unsigned)((values[i] < low[i]) | (values[i] > high[i]));\
            if (!beyond) continue;                                                                                            \
            for (Py_ssize_t i = of->left; i < of->right; i++) {                                                               \
                if (!of_made[i] || !(one[2 * i] | one[2 * i + 1] | two[2 * i] | two[2 * i + 1])) continue;                    \
                const double most = of->allowed + of->slack * ((double)high[i] - (double)low[i]);                             \
                of->outside += (double)low[i] - (double)values[i] > most || (double)values[i] - (double)high[i] > most;       \
            }                                                                                                                 \
        }                                                                                                                     \
    }

COMPARE_VALID(uint8_t, uint8, 0, UINT8_MAX)
COMPARE_VALID(uint16_t, uint16, 0, UINT16_MAX)
COMPARE_VALID(int16_t, int16, INT16_MIN, INT16_MAX)

/* Check what both take, and get memory for it; NULL with an error raised. */
static void *prepare(comparison *of, const array *above, const array *made) {
    if (above->type != made->type) {
        PyErr_SetString(PyExc_ValueError, "above and made: they differ in type");
        return NULL;
    }
    of->rows = length(made, 0);
    of->columns = length(made, 1);
    /* the squares of 2^23 sums of twelfths stay below 2^63 together */
    const Py_ssize_t most = 1 << 23;
    if (of->rows > most || of->columns > most || of->rows * of->columns > most) {
        PyErr_SetString(PyExc_ValueError, "made: too many pixels");
        return NULL;
    }
    if (need_equal(length(above, 0), 2 * of->rows, "rows of above")
        || need_equal(length(above, 1), 2 * of->columns, "columns of above"))
        return NULL;
    if (of->reach < 0 || of->reach > MOST_REACH || of->top < 0 || of->bottom > of->rows || of->left < 0
        || of->right > of->columns) {
        PyErr_SetString(PyExc_ValueError, "reach and certain: beyond the overview");
        return NULL;
    }
    void *memory = calloc((size_t)(of->columns * (4 * of->reach + 4) + 1), (size_t)made->view.itemsize);
    if (memory == NULL) PyErr_NoMemory();
    return memory;
}

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
    memory = prepare(&of, above, made);
    if (memory == NULL) goto done;
    Py_BEGIN_ALLOW_THREADS
    clear_registers();
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

/* compare_valid(above, made, there, valid, reach, (top, bottom, left, right), allowed, slack)
 *     -> (outside, sum, sum_above, squares, pixels, misjudged)
 *
 * The same where only some of both is there. Sums are of pixels that the overview has where one of the four above is there;
 * those of what is above are of the means of these, in twelfths. */
PyObject *compare_valid(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *given[4];
    comparison of = {0};
    if (!PyArg_ParseTuple(arguments, "OOOOn(nnnn)dd:compare_valid", &given[0], &given[1], &given[2], &given[3], &of.reach,
                          &of.top, &of.bottom, &of.left, &of.right, &of.allowed, &of.slack))
        return NULL;
    array taken[4] = {0};
    array *above = &taken[0], *made = &taken[1], *there = &taken[2], *valid = &taken[3];
    PyObject *result = NULL;
    void *memory = NULL;
    const unsigned types = OF(UINT8) | OF(UINT16) | OF(INT16);
    if (take(above, given[0], "above", types, 2, 0) || take(made, given[1], "made", types, 2, 0)
        || take(there, given[2], "there", OF(BOOLEAN), 2, 0) || take(valid, given[3], "valid", OF(BOOLEAN), 2, 0))
        goto done;
    if (need_equal(length(there, 0), length(above, 0), "rows of there")
        || need_equal(length(there, 1), length(above, 1), "columns of there")
        || need_equal(length(valid, 0), length(made, 0), "rows of valid")
        || need_equal(length(valid, 1), length(made, 1), "columns of valid"))
        goto done;
    memory = prepare(&of, above, made);
    if (memory == NULL) goto done;
    Py_BEGIN_ALLOW_THREADS
    clear_registers();
    if (above->type == UINT16)
        compare_valid_uint16(above, made, there, valid, &of, memory);
    else if (above->type == INT16)
        compare_valid_int16(above, made, there, valid, &of, memory);
    else
        compare_valid_uint8(above, made, there, valid, &of, memory);
    Py_END_ALLOW_THREADS
    result = Py_BuildValue("nLLLnn", of.outside, (long long)of.sum, (long long)of.sum_above, (long long)of.squares, of.pixels,
                           of.misjudged);
done:
    free(memory);
    drop(taken, 4);
    return result;
}
