// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

// The program at tc egress: of an interface that the host itself uses, XDP sees only what arrives. It shares the maps of
// the program at XDP, by their names.

#define EGRESS
#include "filter.c"
