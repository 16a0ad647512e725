/*
 * `authd --adopt-check`: may this configuration serve an application's users? `--create-indexes`:
 * what it needs for that, built while application and daemons go on.
 */
#pragma once

/* Tells on standard output what they are to us. 0; -EBADMSG when something is wrong with them, or
 * an error after a sentence on standard error. The store is open; there is no file. */
int adopt_check(const char *no_file);

/* Builds every index that is declared and missing, and tells how far it is. 0; -EEXIST when one is
 * there with other options (which only its owner can decide about), or an error; told both. */
int indexes_create(const char *no_file);
