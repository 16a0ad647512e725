/* Loads the parts of authd that are modules: see module.h. */
#include "core/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char module_why[512];

/* The folder of this program, with its last slash; "" when the kernel does not tell. */
static void folder_of_program(char folder[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);

	folder[n < 0 ? 0 : n] = '\0';
	folder[strrchr(folder, '/') ? strrchr(folder, '/') - folder + 1 : 0] = '\0';
}

static void *module_open(const char *name)
{
	char folder[PATH_MAX], path[PATH_MAX + 64];
	void *module = NULL;

	folder_of_program(folder);
	(void)snprintf(path, sizeof(path), "%sauthd-%s.so", folder, name);
	if (folder[0] && access(path, R_OK) == 0)
		module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (module)
		return module;
	(void)snprintf(path, sizeof(path), AUTHD_MODULES "/authd-%s.so", name);
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

const void *module_symbol(const char *name, const char *symbol, const char **ret_why)
{
	void *module = module_open(name);
	const void *found = module ? dlsym(module, symbol) : NULL;

	if (!found) {
		(void)snprintf(module_why, sizeof(module_why),
			"this part is a package of its own, authd-%s: %.400s", name, dlerror());
		*ret_why = module_why;
	}
	return found;
}
