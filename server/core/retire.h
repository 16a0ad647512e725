/*
 * Freeing what cores may still look at. A shared object is replaced by publishing a new pointer;
 * whoever borrowed the old one does so at most until its next wait, so once every core has taken
 * one more message nobody has it. No lock, no counter on the readers' side.
 */
#pragma once

/*
 * Any thread: calls object_free(object) once every core has passed its present work, on one of them
 * (at once when no core runs). A core that is stuck delays it. 0; -ENOMEM: the object stays.
 */
int core_retire(void *object, void (*object_free)(void *object));
