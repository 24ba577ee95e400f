/* ladle/ladle.h: all of ladle. Each header is the manual of its room. */
#ifndef LADLE_LADLE_H
#define LADLE_LADLE_H

#include <ladle/base.h>
#include <ladle/deliver.h>
#include <ladle/doctor.h>
#include <ladle/io.h>
#include <ladle/memory.h>
#include <ladle/root.h>
#include <ladle/store.h>
#include <ladle/table.h>

#endif
