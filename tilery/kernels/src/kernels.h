/* What the kernels share: arrays that Python hands over, checked before a loop begins. */

#ifndef TILERY_KERNELS_H
#define TILERY_KERNELS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The kernels load bytes as little-endian processors have them; elsewhere NumPy does the work."
#endif

/* Types of samples. Booleans are bytes of 0 and 1. */
typedef enum { BOOLEAN, UINT8, INT8, UINT16, INT16, FLOAT32, FLOAT64, INT64, OTHER } sample_type;

#define OF(type) (1u << (type))
#define BYTES (OF(BOOLEAN) | OF(UINT8))

/* An array of Python's while a kernel works on it. All zero: none. */
typedef struct {
    Py_buffer view;
    sample_type type;
    int held;
} array;

/* Take an array: native, aligned, its last axis without gaps. The other strides are free.
 *
 * name:     for messages.
 * types:    which types it may have, by OF.
 * axes:     how many it must have.
 * writable: whether it is written to.
 *
 * Returns 0, or -1 with TypeError or ValueError raised. An array that was taken is given back by drop. */
int take(array *to, PyObject *from, const char *name, unsigned types, int axes, int writable);

/* The same of an array that may be None, which leaves `to` empty. */
int take_optional(array *to, PyObject *from, const char *name, unsigned types, int axes, int writable);

/* Give arrays back; those that were never taken are passed over. */
void drop(array *arrays, int number);

/* Length of an axis. */
static inline Py_ssize_t length(const array *of, int axis) { return of->view.shape[axis]; }

/* Bytes from one to the next along an axis. */
static inline Py_ssize_t stride(const array *of, int axis) { return of->view.strides[axis]; }

/* Where a row of an array of two axes begins. */
static inline char *row_of(const array *of, Py_ssize_t row) { return (char *)of->view.buf + row * stride(of, 0); }

/* Clear the upper halves of wide registers. What others left in them, as isal does, makes each step of loops with narrow ones
 * wait for the one before: warps took more than twice as long. */
static inline void clear_registers(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx")) __asm__ volatile("vzeroupper");
#endif
}

/* Raise ValueError unless two axes are equally long; 0 where they are. */
int need_equal(Py_ssize_t found, Py_ssize_t wanted, const char *what);

/* The functions of the module. */
PyObject *compare(PyObject *module, PyObject *arguments);
PyObject *count_values(PyObject *module, PyObject *arguments);
PyObject *deflate(PyObject *module, PyObject *arguments);
PyObject *fold(PyObject *module, PyObject *arguments);
PyObject *halve(PyObject *module, PyObject *arguments);
PyObject *compare_valid(PyObject *module, PyObject *arguments);
PyObject *halve_valid(PyObject *module, PyObject *arguments);
PyObject *unfold(PyObject *module, PyObject *arguments);
PyObject *warp(PyObject *module, PyObject *arguments);

#endif
