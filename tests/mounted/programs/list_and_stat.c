/* SPDX-License-Identifier: MIT
 * For a compiler of 32-bit programs, without large-file support: lists each directory that is named
 * and stats what is in it; prints the names. With -s it comes back to the directory after each name,
 * by telldir and seekdir. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int list(const char* path, int seeks) {
  char name[4096];
  struct stat found;
  DIR* directory = opendir(path);
  long place = 0;
  if (directory == NULL) {
    return fprintf(stderr, "opendir %s: %s\n", path, strerror(errno));
  }
  for (;;) {
    struct dirent* entry;
    errno = 0;
    if (seeks && place != 0) {
      closedir(directory);
      directory = opendir(path);
      if (directory == NULL) {
        return fprintf(stderr, "opendir %s: %s\n", path, strerror(errno));
      }
      seekdir(directory, place);
    }
    entry = readdir(directory);
    if (entry == NULL) {
      break;
    }
    place = telldir(directory);
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    if (lstat(name, &found) != 0) {
      return fprintf(stderr, "lstat %s: %s\n", name, strerror(errno));
    }
    puts(entry->d_name);
  }
  if (errno != 0) {
    return fprintf(stderr, "readdir %s: %s\n", path, strerror(errno));
  }
  closedir(directory);
  return 0;
}

int main(int count, char** arguments) {
  const int seeks = count > 1 && strcmp(arguments[1], "-s") == 0;
  int i;
  for (i = seeks ? 2 : 1; i < count; ++i) {
    if (list(arguments[i], seeks) != 0) {
      return 1;
    }
  }
  return 0;
}
