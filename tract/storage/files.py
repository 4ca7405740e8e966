"""The only module that touches the disk.

Everything that tract writes, syncs or renames goes through these functions (``locks.py`` and ``shared_file.py`` keep what they open), so a test can make one place fail, and one place decides modes and flags.
Directories are 0700 and files 0600, whatever the umask says. If the last component of a path is a symbolic link, it is never followed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import time
from collections.abc import Callable, Iterator
from itertools import count

from tract.errors import DurabilityError, StorageError, UnsafeRepositoryError

FILE_MODE = 0o600
DIR_MODE = 0o700
_SAFE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_LARGEST = 1024 * 1024 * 1024
_numbers = count()  # a clock may stand still, or be set back
_MOST_UNASKED = 2 * 1024 * 1024  # up to this many bytes are read without asking for the file's length


def open_read(path: str) -> int:
    """Open the regular file *path* for reading; FileNotFoundError if it is missing. Child programs do not inherit the descriptor."""
    return _checked(path, _open(path, os.O_RDONLY))


def open_write(path: str, *, create: bool = True) -> int:
    """Open the regular file *path* for reading and writing; with *create*, a missing file is created empty."""
    fd = _checked(path, _open(path, os.O_RDWR | (os.O_CREAT if create else 0)))
    return _usable(fd) if create else fd


def open_write_or_read(path: str) -> int:
    """Open the file *path* for reading and writing, or only for reading if it may not be written."""
    try:
        return open_write(path, create=False)
    except OSError as exc:
        if exc.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return open_read(path)
        raise


def is_writable(fd: int) -> bool:
    """True if the descriptor may be written to."""
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def open_append(path: str) -> int:
    """Open *path* so that all writes go to its end; a missing file is created."""
    return _usable(_checked(path, _open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)))


def create_exclusive(path: str) -> int:
    """Create the file *path* and open it; FileExistsError if it exists."""
    fd = _open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        os.fchmod(fd, FILE_MODE)  # a umask may remove more bits than this mode
    except OSError:
        close(fd)
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    return fd


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | _SAFE, FILE_MODE)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.EMLINK):
            raise UnsafeRepositoryError(f"'{path}' is a symbolic link") from exc
        raise


def _checked(path: str, fd: int) -> int:
    try:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError as exc:
        close(fd)
        exc.filename = path
        raise
    if not is_file:
        close(fd)
        raise UnsafeRepositoryError(f"'{path}' is not a regular file")
    return fd


def _usable(fd: int) -> int:
    """Give a file that may be new the mode of tract's files, as a umask may have removed too much; return the descriptor."""
    with contextlib.suppress(OSError):  # the file of another user stays as it is
        if os.fstat(fd).st_mode & 0o700 != FILE_MODE:
            os.fchmod(fd, FILE_MODE)
    return fd


def close(fd: int) -> None:
    """Close a descriptor. Errors are ignored: what had to be on the disk was synced before, and the descriptor is closed in any case."""
    with contextlib.suppress(OSError):
        os.close(fd)


def _named(exc: OSError, fd: int) -> OSError:
    """Add the file's name to the error: the system names only files that it was asked to open."""
    if exc.filename is None:
        exc.filename = name_of(fd) or None
    return exc


def name_of(fd: int) -> str:
    """The path of the file behind *fd*, or an empty text if the system cannot tell."""
    with contextlib.suppress(OSError):
        if hasattr(fcntl, "F_GETPATH"):  # macOS
            return os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        return os.readlink(f"/proc/self/fd/{fd}")
    return ""


def as_storage_error(exc: OSError) -> StorageError:
    """Turn an error of the operating system, such as too many open files, into a StorageError."""
    subject = f" '{exc.filename}'" if exc.filename else ""
    return StorageError(f"the store cannot be used:{subject} {exc.strerror or exc}")


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Return up to *size* bytes from *offset*; fewer only at the end of the file."""
    if size > _MOST_UNASKED:  # memory for all is allocated first, and a damaged length may be any number
        size = max(0, min(size, size_of(fd) - offset))
    try:
        data = os.pread(fd, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        got = len(data)
        while got < size:
            data = os.pread(fd, size - got, offset + got)
            if not data:
                break
            parts.append(data)
            got += len(data)
    except OSError as exc:
        raise _named(exc, fd) from None
    return b"".join(parts)


def read_rest(fd: int, offset: int, limit: int) -> bytes:
    """Return the bytes from *offset* to the end of the file, without the hole at the end of a sparse file; StorageError if there are more than *limit*."""
    end = size_of(fd)
    if end - offset > _MOST_UNASKED:
        end = _end_of_data(fd, offset, end)
    if end - offset > limit:
        raise StorageError(f"{name_of(fd)} is too large: {end} bytes")
    return read_at(fd, end - offset, offset)


def _end_of_data(fd: int, start: int, end: int) -> int:
    """Return where the last data of a sparse file ends; *end* if the file system cannot tell."""
    found = start
    if not hasattr(os, "SEEK_DATA"):
        return end
    try:
        while found < end:
            found = os.lseek(fd, os.lseek(fd, found, os.SEEK_DATA), os.SEEK_HOLE)
    except OSError as exc:
        return found if exc.errno == errno.ENXIO else end
    return found


def read_file(path: str, limit: int | None = None) -> bytes:
    """Return the whole of *path*, or its first *limit* bytes; StorageError if a whole file is larger than any that tract reads at once."""
    fd = open_read(path)
    try:
        size = size_of(fd)
        if limit is None and size > _LARGEST:
            raise StorageError(f"'{path}' is too large: {size} bytes")
        return read_at(fd, size if limit is None else min(size, limit), 0)
    finally:
        close(fd)


def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of *data* at *offset*; a short write is continued, never taken for a whole one."""
    done = os.pwrite(fd, data, offset)
    if done == len(data):
        return
    view = memoryview(data)
    while done < len(view):
        done += os.pwrite(fd, view[done:], offset + done)


def overwrite(fd: int, data: bytes) -> bool:
    """Replace the whole content of the file behind *fd* by *data* of the same length. Return False, and change nothing, if the length differs or the file has no name any more because another process replaced it."""
    try:
        found = os.fstat(fd)
    except OSError as exc:
        raise _named(exc, fd) from None
    if found.st_size != len(data) or not found.st_nlink:
        return False
    write_at(fd, data, 0)
    return True


def append(fd: int, data: bytes) -> None:
    """Write all of *data* to the end, through a descriptor from :func:`open_append`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_data(fd: int, what: str, *, visible: bool) -> None:
    """Sync the file's data to the disk.

    A failed sync is never tried again: Linux forgets the error, and the second call would lie.
    """
    try:
        _sync(fd)
    except OSError as exc:
        raise DurabilityError(f"sync of {what} failed: {exc.strerror}", visible=visible) from exc


def _sync(fd: int) -> None:
    """Make the cheapest system call after which the data is on the disk itself.

    macOS has no fdatasync, and its fsync stops at the drive's cache; F_FULLFSYNC does not, on file systems that support it.
    """
    if hasattr(fcntl, "F_FULLFSYNC"):
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
        except OSError as exc:
            if exc.errno not in (errno.ENOTSUP, errno.EINVAL, errno.ENOTTY):
                raise
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def sync_file(path: str) -> None:
    """Sync the data of the file *path*: the process that wrote it may not have."""
    fd = open_read(path)
    try:
        sync_data(fd, f"'{path}'", visible=False)
    finally:
        close(fd)


def sync_directory(path: str) -> None:
    """Sync the names in directory *path* to the disk."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(fd)  # the only call that works on directories on every system
        finally:
            close(fd)
    except OSError as exc:
        raise DurabilityError(f"sync of directory '{path}' failed: {exc.strerror}", visible=True) from exc


def size_of(fd: int) -> int:
    return _status(fd).st_size


def _status(fd: int) -> os.stat_result:
    try:
        return os.fstat(fd)
    except OSError as exc:
        raise _named(exc, fd) from None


def time_of(path: str) -> int:
    """When *path* was written, in nanoseconds since 1970; 0 if it is missing."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def stamp_of(path: str) -> tuple[int, int] | None:
    """The inode and the time of *path*, which change when another file takes its place; None if it is missing."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def identity(fd: int) -> tuple[int, int]:
    """The device and inode of the file behind *fd*: unique as long as *fd* is open."""
    found = _status(fd)
    return found.st_dev, found.st_ino


def is_named(path: str, identity: tuple[int, int]) -> bool:
    """True if *path* still names that file, so no other file took its place.

    A replaced file may still have other names: backups are made of hard links.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == identity


def make_directory(path: str) -> bool:
    """Create directory *path* unless it exists; return whether it was created. UnsafeRepositoryError if something else, such as a symbolic link, is there."""
    try:
        os.mkdir(path, DIR_MODE)
        os.chmod(path, DIR_MODE)
        return True
    except FileExistsError:
        check_directory(path)
        return False


def check_directory(path: str) -> None:
    """Raise UnsafeRepositoryError if *path* is not a directory, for example a symbolic link; a missing one is no error."""
    _check_kind(path, stat.S_ISDIR, "directory")


def check_file(path: str) -> None:
    """Raise UnsafeRepositoryError if *path* is not a regular file, for example a symbolic link; a missing one is no error."""
    _check_kind(path, stat.S_ISREG, "regular file")


def _check_kind(path: str, is_right: Callable[[int], bool], kind: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not is_right(mode):
        raise UnsafeRepositoryError(f"'{path}' is not a {kind}")


def is_directory(path: str) -> bool:
    """True if *path* itself is a directory, not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_file(path: str) -> bool:
    """True if *path* itself is a regular file, not a link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_special(path: str) -> bool:
    """True if *path*, or the target of its link, exists and is not a regular file: a read would wait for a pipe, and a device may never end."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def is_there(path: str) -> bool:
    """True if anything exists at *path*, even a dangling link. OSError if the system cannot tell, which must not count as a no."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def exists(path: str) -> bool:
    """True if anything exists at *path*; the fastest check if nothing does."""
    return os.access(path, os.F_OK)


def make_directories(path: str) -> None:
    """Create directory *path* and its missing parents, with modes from the umask, and sync their names.

    They are the user's folders, not the store's; but a store is only as durable as the names that lead to it.
    """
    parent = os.path.dirname(path)
    if os.path.isdir(path):
        # The process that made it may have died before it synced the name; a folder that we may not open was made long ago.
        with contextlib.suppress(DurabilityError):
            sync_directory(os.path.realpath(parent))
        return
    make_directories(parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    sync_directory(os.path.realpath(parent))


def write_file(path: str, data: bytes | memoryview, *, sync: bool) -> None:
    """Write *data* to *path* as a whole: a reader sees the old file or the new one, never a part.

    With *sync* the file is on the disk, under its name, when this returns.
    """
    with _new_file(path, data, sync=sync) as temporary:
        os.replace(temporary, path)
    if sync:
        sync_directory(os.path.dirname(path))


def create_file(path: str, data: bytes) -> bool:
    """Write *data* to *path* as a whole and sync its name, unless *path* exists; return whether it was written."""
    with _new_file(path, data, sync=True) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    sync_directory(os.path.dirname(path))
    return True


@contextlib.contextmanager
def _new_file(path: str, data: bytes | memoryview, *, sync: bool) -> Iterator[str]:
    """A temporary file with *data* beside *path*; the ``with`` block renames it, and if the block fails it is removed."""
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".tmp-{os.getpid()}-{time.monotonic_ns():x}-{next(_numbers)}-{name[:40]}")
    with _writing(path):
        fd = create_exclusive(temporary)
        try:
            try:
                write_at(fd, data, 0)
                if sync:
                    sync_data(fd, f"'{path}'", visible=False)
            finally:
                os.close(fd)
            yield temporary
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def size_and_time(path: str) -> tuple[int, int]:
    """The size of the file *path*, in bytes, and when it was written, in nanoseconds since 1970."""
    found = os.lstat(path)
    return found.st_size, found.st_mtime_ns


def is_full(exc: BaseException | None) -> bool:
    """True if *exc*, or an error that caused it, says that the disk is full."""
    while exc is not None:
        if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        exc = exc.__cause__
    return False


def free_space(path: str) -> int:
    """The number of bytes that can be written beside *path* until the disk is full."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def truncate(fd: int, size: int) -> None:
    """Cut the file to *size* bytes."""
    os.ftruncate(fd, size)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    """Turn a system error about a file that cannot be written into a DurabilityError."""
    try:
        yield
    except OSError as exc:
        raise DurabilityError(f"write of '{path}' failed: {exc.strerror}", visible=False) from exc


class NewFile:
    """A large file that is written piece by piece. It has no name until ``publish`` gives it one, and is removed if that never happens."""

    def __init__(self, directory: str) -> None:
        self.size = 0
        self._directory = directory
        temporary = f".tmp-{os.getpid()}-{time.monotonic_ns():x}-{next(_numbers)}"
        self._temporary: str | None = os.path.join(directory, temporary)
        with _writing(self._temporary):
            self._fd = create_exclusive(self._temporary)

    def write(self, data: bytes) -> None:
        with _writing(self._temporary or self._directory):
            write_at(self._fd, data, self.size)
        self.size += len(data)

    def publish(self, name: str) -> str:
        """Sync the file under *name* in its folder; return its path."""
        assert self._temporary is not None
        path = os.path.join(self._directory, name)
        sync_data(self._fd, f"'{path}'", visible=False)
        with _writing(path):
            os.replace(self._temporary, path)
        self._temporary = None
        sync_directory(self._directory)
        return path

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        close(self._fd)
        if self._temporary is not None:
            unlink(self._temporary)


@contextlib.contextmanager
def mapped(path: str) -> Iterator[mmap.mmap]:
    """Map the bytes of *path* without the hole at the end of a sparse file; pages are read when they are used. ValueError if the file is empty."""
    fd = open_read(path)
    try:
        length = _end_of_data(fd, 0, size_of(fd))
        if not length:
            raise ValueError(f"'{path}' is empty")
        view = mmap.mmap(fd, length, prot=mmap.PROT_READ)
    except OSError as exc:
        raise _named(exc, fd) from None
    finally:
        close(fd)
    with view:
        yield view


def copy_file(source: str, target: str) -> None:
    """Make *target* a copy of *source*, on the disk when this returns; a hard link, which takes no room, if possible."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        write_file(target, read_file(source), sync=True)
        return
    sync_directory(os.path.dirname(target))


def close_to_others(path: str) -> None:
    """Remove all rights of other users from *path*, unless it is a link."""
    mode = os.lstat(path).st_mode
    if not stat.S_ISLNK(mode):
        os.chmod(path, stat.S_IMODE(mode) & 0o700)


def rename(source: str, target: str) -> None:
    os.replace(source, target)


def unlink(path: str) -> None:
    """Remove *path*; no error if it is missing."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_tree(path: str) -> None:
    """Remove folder *path* and everything in it, as far as possible."""
    import shutil  # takes long to load, and is seldom needed

    with contextlib.suppress(OSError):  # a failed close raises in spite of ignore_errors
        shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(folder: str, prefix: str, seconds: float) -> None:
    """Remove this user's folders in *folder* whose names begin with *prefix* and that did not change for *seconds*.

    Each is renamed first: a process that made it and only slept finds it gone, not half of it.
    """
    with contextlib.suppress(OSError):
        for name in list_directory(folder):
            path = os.path.join(folder, name)
            if name.startswith(prefix) and _is_abandoned(os.lstat(path), seconds):
                renamed = os.path.join(folder, prefix + os.urandom(6).hex())
                os.rename(path, renamed)
                remove_tree(renamed)


def _is_abandoned(found: os.stat_result, seconds: float) -> bool:
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return is_ours and time.time() - found.st_mtime > seconds


def remove_empty(path: str) -> None:
    """Remove the folder *path* if it is empty."""
    with contextlib.suppress(OSError):
        os.rmdir(path)


def list_directory(path: str) -> list[str]:
    """The names in *path*, sorted; an empty list if the directory does not exist.

    Any other failure is raised: a failed listing is not an empty one.
    """
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []


def check_tree(path: str, safe_directories: tuple[str, ...] = ()) -> None:
    """Raise UnsafeRepositoryError if the store is a symbolic link, or belongs to another user and neither it nor its folder is in *safe_directories*; ``*`` there stands for all."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        raise UnsafeRepositoryError(f"'{path}' is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeRepositoryError(f"'{path}' is not a directory")
    if found.st_uid != os.geteuid() and not _is_listed(path, safe_directories):
        raise UnsafeRepositoryError(f"'{path}' is owned by user {found.st_uid}, not by you ({os.geteuid()})")


def _is_listed(path: str, safe_directories: tuple[str, ...]) -> bool:
    listed = {os.path.realpath(one) for one in safe_directories if one}
    real = os.path.realpath(path)
    return "*" in safe_directories or not listed.isdisjoint((real, os.path.dirname(real)))
