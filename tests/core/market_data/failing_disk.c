/* A disk that fails or is slow, for a process of its own (LD_PRELOAD): the first letter of the
   file named by FAILING_DISK says what every sync does: "e" fails with EIO, "s" takes 2 s, "f"
   lets every write fail with ENOSPC. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static char mode(void)
{
    char letter = ' ';
    const char *path = getenv("FAILING_DISK");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file >= 0) {
        if (read(file, &letter, 1) != 1)
            letter = ' ';
        close(file);
    }
    return letter;
}

static int sync_as_told(const char *name, int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    char letter = mode();
    if (letter == 'e') {
        errno = EIO;
        return -1;
    }
    if (letter == 's')
        sleep(2);
    return real(file);
}

int fsync(int file) { return sync_as_told("fsync", file); }
int fdatasync(int file) { return sync_as_told("fdatasync", file); }

ssize_t pwrite64(int file, const void *data, size_t count, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real)
        real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    if (mode() == 'f') {
        errno = ENOSPC;
        return -1;
    }
    return real(file, data, count, offset);
}
ssize_t pwrite(int file, const void *data, size_t count, off_t offset)
{
    return pwrite64(file, data, count, offset);
}
