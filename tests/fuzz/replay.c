/*
 * replay.c - run a fuzz target over files: those given, or all of its
 * corpus, tests/fuzz/corpus/NAME for a program called NAME_replay.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX	(1U << 20)

static int
replay(const char *path)
{
	uint8_t *data;
	size_t size;
	FILE *f;

	if ((f = fopen(path, "rbe")) == NULL) {
		perror(path);
		return -1;
	}
	/* Of the exact size, so that a read past the end is seen. */
	data = malloc(INPUT_MAX);
	size = data != NULL ? fread(data, 1, INPUT_MAX, f) : 0;
	fclose(f);
	if (data != NULL && size > 0) {
		uint8_t *exact = realloc(data, size);

		data = exact != NULL ? exact : data;
	}
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int
replay_all(const char *dir_path)
{
	const struct dirent *e;
	char path[1536];
	int n = 0;
	DIR *dir;

	if ((dir = opendir(dir_path)) == NULL) {
		perror(dir_path);
		return -1;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir_path, e->d_name);
		if (replay(path) < 0) {
			n = -1;
			break;
		}
		n++;
	}
	closedir(dir);
	return n;
}

int
main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir");
	const char *name = strrchr(argv[0], '/');
	char dir[1024];
	int i, n;

	for (i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			return 1;
	if (argc > 1)
		return 0;
	name = name != NULL ? name + 1 : argv[0];
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%.*s",
	    top != NULL ? top : ".", (int)strcspn(name, "_"), name);
	n = replay_all(dir);
	printf("%s: %d inputs\n", dir, n);
	return n > 0 ? 0 : 1;
}
