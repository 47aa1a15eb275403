/*
 * walk.c - the files at and below a path, in a fixed order.
 *
 * A directory's name is kept with a slash at its end.  That says what it is,
 * and comparing such names as bytes puts all that is below a directory where
 * the whole names belong: "a.c" comes before "a/x", "a0" after it.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "walk.h"

/* A directory that is being walked: its entries, sorted. */
struct level {
	struct level	 *up;
	char		**names;
	size_t		  n, room, at;
	size_t		  prefix;	/* of the path: this directory */
};

enum start {
	INSIDE,			/* the path was begun */
	AT_FILE, AT_DIRECTORY	/* it is one and comes next */
};

struct walk {
	struct level	*level;
	char		*path;
	size_t		 room;
	enum start	 start;
};

int
walk_new(struct walk **ret_walk)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	*ret_walk = w;
	return 0;
}

static void
level_free(struct level *l)
{
	while (l->n > 0)
		free(l->names[--l->n]);
	free(l->names);
	free(l);
}

struct walk *
walk_free(struct walk *w)
{
	struct level *l;

	if (w == NULL)
		return NULL;
	while ((l = w->level) != NULL) {
		w->level = l->up;
		level_free(l);
	}
	free(w->path);
	free(w);
	return NULL;
}

/* The first `at` bytes of the path stay, then comes name. */
static int
set_path(struct walk *w, size_t at, const char *name)
{
	size_t n = strlen(name), need = at + n + 1;
	char *bigger;

	if (need > w->room) {
		if ((bigger = realloc(w->path, 2 * need)) == NULL)
			return -ENOMEM;
		w->path = bigger;
		w->room = 2 * need;
	}
	memcpy(w->path + at, name, n + 1);
	return 0;
}

static int
level_add(struct level *l, const char *name, const char *suffix)
{
	size_t n = strlen(name), room = l->room * 2 + 16;
	char **bigger, *copy;

	if (l->n == l->room) {
		bigger = reallocarray(l->names, room, sizeof(*bigger));
		if (bigger == NULL)
			return -ENOMEM;
		l->names = bigger;
		l->room = room;
	}
	if ((copy = malloc(n + strlen(suffix) + 1)) == NULL)
		return -ENOMEM;
	memcpy(copy, name, n);
	memcpy(copy + n, suffix, strlen(suffix) + 1);
	l->names[l->n++] = copy;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* DT_DIR, DT_REG, or something else. */
static int
type_of(DIR *dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return S_ISDIR(st.st_mode) ? DT_DIR :
	    S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

static int
level_read(struct level *l, DIR *dir)
{
	const struct dirent *e;
	int type, r = 0;

	while (errno = 0, r == 0 && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		type = type_of(dir, e);
		if (type == DT_DIR)
			r = level_add(l, e->d_name, "/");
		else if (type == DT_REG)
			r = level_add(l, e->d_name, "");
	}
	if (r == 0 && errno != 0)
		r = -errno;
	if (r == 0 && l->n > 0)
		qsort(l->names, l->n, sizeof(*l->names), compare);
	return r;
}

/* Go down into the directory that the path names: 0, or why not. */
static int
descend(struct walk *w)
{
	size_t n = strlen(w->path);
	struct level *l;
	DIR *dir;
	int r;

	if ((dir = opendir(w->path)) == NULL)
		return -errno;
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		r = -ENOMEM;
		goto out;
	}
	if ((r = level_read(l, dir)) < 0 ||
	    (r = set_path(w, n, w->path[n - 1] == '/' ? "" : "/")) < 0) {
		level_free(l);
		goto out;
	}
	l->prefix = strlen(w->path);
	l->up = w->level;
	w->level = l;
out:
	(void)closedir(dir);
	return r;
}

static uint64_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ?
	    (uint64_t)st.st_size : 0;
}

int
walk_begin(struct walk *w, const char *path)
{
	struct stat st;
	int r;

	if ((r = set_path(w, 0, path)) < 0)
		return r;
	w->start = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ?
	    AT_DIRECTORY : AT_FILE;
	return 0;
}

static int
found(struct walk *w, int error, struct walk_file *ret)
{
	*ret = (struct walk_file){ .name = w->path, .error = error,
	    .size = error == 0 ? size_of(w->path) : 0 };
	return 1;
}

/* Into the directory that the path names: 0, or a result of walk_next(). */
static int
enter(struct walk *w, size_t len, struct walk_file *ret)
{
	int r;

	if ((r = descend(w)) == 0 || r == -ENOMEM)
		return r;
	w->path[len] = '\0';
	return found(w, -r, ret);
}

int
walk_next(struct walk *w, struct walk_file *ret_file)
{
	enum start start = w->start;
	struct level *l;
	const char *name;
	int r = 0;
	size_t n;

	w->start = INSIDE;
	if (start == AT_FILE)
		return found(w, 0, ret_file);
	if (start == AT_DIRECTORY)
		r = enter(w, strlen(w->path), ret_file);
	while (r == 0 && (l = w->level) != NULL) {
		if (l->at == l->n) {
			w->level = l->up;
			level_free(l);
			continue;
		}
		name = l->names[l->at++];
		if ((r = set_path(w, l->prefix, name)) < 0)
			break;
		n = strlen(w->path) - 1;
		r = w->path[n] == '/' ? enter(w, n, ret_file) :
		    found(w, 0, ret_file);
	}
	return r;
}
