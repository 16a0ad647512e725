/* What standard output is: a terminal or not, how wide, whether colours are wanted, and a pager. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct settings;

enum color { COLOR_NONE, COLOR_GOOD, COLOR_WARN, COLOR_BAD, COLOR_HEAD, COLOR_DIM, COLOR_CHANGED };

/* "" for COLOR_NONE. */
const char *color_begin(enum color color);
const char *color_end(enum color color);

/* Words that say how something is, in any answer: READY, DOWN, warn, ... */
enum color color_of_word(const char *word);

/* Is standard output a terminal? */
bool screen_is_terminal(void);
/* Can it only print, without moving about (TERM=dumb, or not set)? */
bool screen_is_dumb(void);
bool screen_has_color(const struct settings *settings);
/* Columns and lines; 80 and 24 when they are not known. 0 columns: as wide as it likes. */
void screen_size(unsigned *ret_columns, unsigned *ret_lines);

/* Prints text, through a pager when it is higher than the terminal and one is wanted. */
void screen_print(const struct settings *settings, const char *text, size_t bytes);

/* Columns that a terminal needs for text: none for colours and for accents that combine, two for
 * each wide character. */
unsigned screen_width(const char *text);
/* As much of text as fits, with its colours, "~" for what is missing. The columns that it takes. */
unsigned screen_print_cut(FILE *out, const char *text, unsigned columns);
