/* Arrays that Python hands over, by the buffer protocol. */

#include "kernels.h"

static sample_type type_of(const Py_buffer *view) {
    const char *format = view->format ? view->format : "B";
    if (format[0] == '\0' || format[1] != '\0') return OTHER; /* structures, and bytes in foreign order */
    switch (format[0]) {
    case '?': return view->itemsize == 1 ? BOOLEAN : OTHER;
    case 'B': return view->itemsize == 1 ? UINT8 : OTHER;
    case 'b': return view->itemsize == 1 ? INT8 : OTHER;
    case 'H': return view->itemsize == 2 ? UINT16 : OTHER;
    case 'h': return view->itemsize == 2 ? INT16 : OTHER;
    case 'f': return view->itemsize == 4 ? FLOAT32 : OTHER;
    case 'd': return view->itemsize == 8 ? FLOAT64 : OTHER;
    case 'l':
    case 'q': return view->itemsize == 8 ? INT64 : OTHER;
    default: return OTHER;
    }
}

static int is_aligned(const Py_buffer *view) {
    uintptr_t bits = (uintptr_t)view->buf;
    for (int axis = 0; axis < view->ndim; axis++) {
        if (view->shape[axis] > 1) bits |= (uintptr_t)view->strides[axis];
    }
    return bits % (uintptr_t)view->itemsize == 0;
}

int take(array *to, PyObject *from, const char *name, unsigned types, int axes, int writable) {
    if (PyObject_GetBuffer(from, &to->view, PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0))) return -1;
    to->held = 1;
    to->type = type_of(&to->view);
    if (to->type == OTHER || !(types & OF(to->type))) {
        PyErr_Format(PyExc_TypeError, "%s: no kernel takes samples of this type", name);
        return -1;
    }
    if (to->view.ndim != axes) {
        PyErr_Format(PyExc_ValueError, "%s: %d axes instead of %d", name, to->view.ndim, axes);
        return -1;
    }
    if (length(to, axes - 1) > 1 && stride(to, axes - 1) != to->view.itemsize) {
        PyErr_Format(PyExc_ValueError, "%s: there are gaps in its last axis", name);
        return -1;
    }
    if (!is_aligned(&to->view)) {
        PyErr_Format(PyExc_ValueError, "%s: it is not aligned", name);
        return -1;
    }
    return 0;
}

int take_optional(array *to, PyObject *from, const char *name, unsigned types, int axes, int writable) {
    return from == Py_None ? 0 : take(to, from, name, types, axes, writable);
}

void drop(array *arrays, int number) {
    for (int i = 0; i < number; i++) {
        if (arrays[i].held) PyBuffer_Release(&arrays[i].view);
        arrays[i].held = 0;
    }
}

int need_equal(Py_ssize_t found, Py_ssize_t wanted, const char *what) {
    if (found == wanted) return 0;
    PyErr_Format(PyExc_ValueError, "%s: %zd instead of %zd", what, found, wanted);
    return -1;
}
