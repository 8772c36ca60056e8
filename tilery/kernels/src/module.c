/* The module tilery.kernels._compiled. Each function holds no lock of the interpreter while it loops. */

#include "kernels.h"

static PyMethodDef functions[] = {
    {"compare", compare, METH_VARARGS, NULL},
    {"count_values", count_values, METH_VARARGS, NULL},
    {"deflate", deflate, METH_VARARGS, NULL},
    {"fold", fold, METH_VARARGS, NULL},
    {"halve", halve, METH_VARARGS, NULL},
    {"compare_valid", compare_valid, METH_VARARGS, NULL},
    {"halve_valid", halve_valid, METH_VARARGS, NULL},
    {"unfold", unfold, METH_VARARGS, NULL},
    {"warp", warp, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_compiled",
    .m_doc = "Loops over samples, for tilery.kernels alone: it hands over what they may work on.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__compiled(void) { return PyModuleDef_Init(&definition); }
