/* `authd --make-admin EMAIL`: the first administrator, whom no other can appoint. */
#pragma once

/* Gives an account the role, for good: 0, or an error after a sentence on standard error. The store
 * is open. A daemon on the same store sees it at the next login at the latest. */
int make_admin(const char *email);
