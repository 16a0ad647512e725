/* `authd --adopt-check`: may this configuration serve an application's users? */
#pragma once

/* Tells on standard output what they are to us. 0; -EBADMSG when something is wrong with them, or
 * an error after a sentence on standard error. The store is open; there is no file. */
int adopt_check(const char *no_file);
