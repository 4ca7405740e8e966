"""The one place that touches the disk.

Everything tract writes, syncs or renames goes through these functions (``locks.py`` and ``shared_file.py`` keep what they open), so one place can be made to fail in a test, and one place says which modes and flags are used.
Directories are 0700 and files 0600 whatever the umask says; the last component of a path is never followed when it is a symbolic link.
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
_MOST_UNASKED = 2 * 1024 * 1024  # so many bytes are read without a look at how long the file is


def open_read(path: str) -> int:
    """A descriptor on the regular file *path*, or FileNotFoundError. Not inherited by a child program."""
    return _checked(path, _open(path, os.O_RDONLY))


def open_write(path: str, *, create: bool = True) -> int:
    """A read-write descriptor on the regular file *path*, created empty when it is missing."""
    fd = _checked(path, _open(path, os.O_RDWR | (os.O_CREAT if create else 0)))
    return _usable(fd) if create else fd


def open_write_or_read(path: str) -> int:
    """A read-write descriptor on the file *path*, or where it may not be written a read-only one."""
    try:
        return open_write(path, create=False)
    except OSError as exc:
        if exc.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return open_read(path)
        raise


def is_writable(fd: int) -> bool:
    """Whether the descriptor may be written to."""
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def open_append(path: str) -> int:
    """A descriptor whose writes go to the end of *path*, created when it is missing."""
    return _usable(_checked(path, _open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)))


def create_exclusive(path: str) -> int:
    """A descriptor on a file that was not there before; FileExistsError when it was."""
    fd = _open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        os.fchmod(fd, FILE_MODE)  # a umask can take more than we do
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
    """The descriptor of a file that may be new, with the mode that files have: a umask can take more than we do."""
    with contextlib.suppress(OSError):  # another user's stays as it is
        if os.fstat(fd).st_mode & 0o700 != FILE_MODE:
            os.fchmod(fd, FILE_MODE)
    return fd


def close(fd: int) -> None:
    """Let go of a descriptor; what had to be on the disk was synced, and the descriptor is gone whatever the system says."""
    with contextlib.suppress(OSError):
        os.close(fd)


def _named(exc: OSError, fd: int) -> OSError:
    """The error with the name of the file that it is about: the system tells only of those it opens."""
    if exc.filename is None:
        exc.filename = name_of(fd) or None
    return exc


def name_of(fd: int) -> str:
    """The path of the file behind *fd*, as far as the system can tell."""
    with contextlib.suppress(OSError):
        if hasattr(fcntl, "F_GETPATH"):  # macOS
            return os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        return os.readlink(f"/proc/self/fd/{fd}")
    return ""


def as_storage_error(exc: OSError) -> StorageError:
    """What the operating system refuses, such as one more open file, as an error of the store's."""
    subject = f" '{exc.filename}'" if exc.filename else ""
    return StorageError(f"the store cannot be used:{subject} {exc.strerror or exc}")


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Up to *size* bytes from *offset*; fewer only at the end of the file."""
    if size > _MOST_UNASKED:  # room is made for all of them before any is read, and a damaged length may say anything
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
    """The bytes from *offset* to the end of the file, without the hole that a sparse file may end in; StorageError for more than *limit*."""
    end = size_of(fd)
    if end - offset > _MOST_UNASKED:
        end = _end_of_data(fd, offset, end)
    if end - offset > limit:
        raise StorageError(f"{name_of(fd)} is too large: {end} bytes")
    return read_at(fd, end - offset, offset)


def _end_of_data(fd: int, start: int, end: int) -> int:
    """Where the last stretch ends that the file system keeps bytes of; *end* where it cannot tell."""
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
    """The whole of *path*, or its first *limit* bytes; StorageError for a whole that is larger than any file of tract's that is read at once."""
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
    """Put *data* in the place of all that is in the file behind *fd*; False, and nothing done, where that has another length or lost its name: another process replaced it."""
    try:
        found = os.fstat(fd)
    except OSError as exc:
        raise _named(exc, fd) from None
    if found.st_size != len(data) or not found.st_nlink:
        return False
    write_at(fd, data, 0)
    return True


def append(fd: int, data: bytes) -> None:
    """Write all of *data* at the end of a descriptor from :func:`open_append`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_data(fd: int, what: str, *, visible: bool) -> None:
    """Bring the file's data to the disk.

    A failed sync is never tried again: Linux forgets the error and the second call would lie.
    """
    try:
        _sync(fd)
    except OSError as exc:
        raise DurabilityError(f"sync of {what} failed: {exc.strerror}", visible=visible) from exc


def _sync(fd: int) -> None:
    """The cheapest call of the system's after which the data is on the disk itself.

    macOS has no fdatasync, and its fsync stops at the drive's own cache; F_FULLFSYNC does not, where the file system knows it.
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
    """Bring the data of the file *path* to the disk: another process wrote it, and may not have."""
    fd = open_read(path)
    try:
        sync_data(fd, f"'{path}'", visible=False)
    finally:
        close(fd)


def sync_directory(path: str) -> None:
    """Bring the names in directory *path* to the disk."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(fd)  # a directory takes no other call on any system
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
    """When *path* was written, in nanoseconds since 1970; 0 when it is gone."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def stamp_of(path: str) -> tuple[int, int] | None:
    """What changes when another file takes the place of *path*: its inode and when it was written; None when there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def identity(fd: int) -> tuple[int, int]:
    """What tells the file behind *fd* from every other, as long as *fd* is open."""
    found = _status(fd)
    return found.st_dev, found.st_ino


def is_named(path: str, identity: tuple[int, int]) -> bool:
    """Whether *path* names that file and no other was put in its place.

    A file that was replaced may have other names all the same: backups are made of hard links.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == identity


def make_directory(path: str) -> bool:
    """Make directory *path* unless it is there; whether it was made. A symbolic link in its place is refused."""
    try:
        os.mkdir(path, DIR_MODE)
        os.chmod(path, DIR_MODE)
        return True
    except FileExistsError:
        check_directory(path)
        return False


def check_directory(path: str) -> None:
    """Refuse what is in the place of a directory and is none, such as a symbolic link; nothing there is no fault."""
    _check_kind(path, stat.S_ISDIR, "directory")


def check_file(path: str) -> None:
    """Refuse what is in the place of a file and is none, such as a symbolic link; nothing there is no fault."""
    _check_kind(path, stat.S_ISREG, "regular file")


def _check_kind(path: str, is_right: Callable[[int], bool], kind: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not is_right(mode):
        raise UnsafeRepositoryError(f"'{path}' is not a {kind}")


def is_directory(path: str) -> bool:
    """Whether *path* is a directory itself, no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_file(path: str) -> bool:
    """Whether *path* is a regular file itself, no link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_special(path: str) -> bool:
    """Whether *path*, or what it links to, is there and no regular file: a pipe would be waited for, and a device may never end."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def is_there(path: str) -> bool:
    """Whether anything is at *path*, be it a link to nothing; OSError where that cannot be told, and must not pass for a no."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def exists(path: str) -> bool:
    """Whether anything is at *path*; of all ways to ask, the fastest where nothing is."""
    return os.access(path, os.F_OK)


def make_directories(path: str) -> None:
    """Make directory *path* and those above it that are missing, as the umask says, each with its name on the disk.

    They are the user's, not the store's; but a store is only as durable as the names that lead to it.
    """
    parent = os.path.dirname(path)
    if os.path.isdir(path):
        # Who made it may have died before it synced the name; what is not ours to open was made long ago.
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
    """Put *data* at *path* as a whole: a reader sees the old file or the new one, never a part.

    With *sync* it is on the disk, under its name, when this returns.
    """
    with _new_file(path, data, sync=sync) as temporary:
        os.replace(temporary, path)
    if sync:
        sync_directory(os.path.dirname(path))


def create_file(path: str, data: bytes) -> bool:
    """Put *data* at *path* as a whole, with its name on the disk, where nothing is there yet; whether it was."""
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
    """A file with *data* beside *path*, for a ``with`` block that gives it that name; where the block fails the file goes."""
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
    """Whether *exc* says that there was no room on the disk, or came from such an error."""
    while exc is not None:
        if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        exc = exc.__cause__
    return False


def free_space(path: str) -> int:
    """How many bytes can be written beside *path* until the disk is full."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def truncate(fd: int, size: int) -> None:
    """Cut the file to *size* bytes."""
    os.ftruncate(fd, size)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    """Translate what the system says about a file that cannot be written."""
    try:
        yield
    except OSError as exc:
        raise DurabilityError(f"write of '{path}' failed: {exc.strerror}", visible=False) from exc


class NewFile:
    """A large file written piece by piece, that has no name until ``publish`` gives it one; without that it is gone."""

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
        """Bring the file to the disk under *name* in its folder; its path."""
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
    """The bytes of *path*, which is not empty, read as they are asked for, without the hole that a sparse file may end in."""
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
    """Put what *source* holds at *target* as well, on the disk when this returns; costs no room where links can be had."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        write_file(target, read_file(source), sync=True)
        return
    sync_directory(os.path.dirname(target))


def close_to_others(path: str) -> None:
    """Let only the owner use *path*, which is no link."""
    mode = os.lstat(path).st_mode
    if not stat.S_ISLNK(mode):
        os.chmod(path, stat.S_IMODE(mode) & 0o700)


def rename(source: str, target: str) -> None:
    os.replace(source, target)


def unlink(path: str) -> None:
    """Remove *path*; no error when it is gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_tree(path: str) -> None:
    """Remove folder *path* and all in it, as far as that can be done."""
    import shutil  # takes long to load, and is seldom needed

    with contextlib.suppress(OSError):  # of a close that failed it tells all the same
        shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(folder: str, prefix: str, seconds: float) -> None:
    """Remove those folders of this user's in *folder* whose names begin with *prefix* and which did not change for so many *seconds*.

    Each gets another name first: who made it and only slept finds it gone, not half of it.
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
    """Remove the folder *path*, if there is nothing in it."""
    with contextlib.suppress(OSError):
        os.rmdir(path)


def list_directory(path: str) -> list[str]:
    """The names in *path*, sorted; an empty list when there is no such directory.

    Any other failure is raised: a listing that failed is not an empty one.
    """
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []


def check_tree(path: str, safe_directories: tuple[str, ...] = ()) -> None:
    """Refuse a store that is a symbolic link, or that another user owns and nobody listed as safe: itself, or the folder that it is in; ``*`` stands for all."""
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
