import type { TerminalSize } from "../../protocol/index.ts";

/**
 * Runs a command on a pseudo-terminal of its own: descriptors 0 and 1 are what is typed and shown, lines of
 * `ROWS COLUMNS` on descriptor 3 its size. SIGTERM goes on to whoever has the terminal, SIGKILL to its
 * whole session after 1.5 s.
 * The exit code is the command's, 128 + N when signal N ended it.
 */
const KEEPER = `
import errno, fcntl, os, pty, select, signal, struct, sys, termios, time

def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

def kill(number):
    for group in {child, foreground()}:
        try:
            os.killpg(group, number)
        except OSError:
            pass

def foreground():
    try:
        return os.tcgetpgrp(master) or child
    except OSError:
        return child

def terminate(number, frame):
    global deadline
    if deadline is None:
        deadline = time.monotonic() + 1.5
        kill(signal.SIGHUP)
        kill(signal.SIGTERM)

def members():
    found = []
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%d/stat" % int(name)) as stat:
                facts = stat.read().rsplit(")", 1)[1].split()
            if int(facts[3]) == child and facts[0] not in "ZX":
                found.append(int(name))
        except (ValueError, OSError):
            pass
    return found

def send(target, data):
    while data:
        try:
            data = data[os.write(target, data):]
        except BlockingIOError:
            select.select([], [target], [])

rows, columns = int(sys.argv[1]), int(sys.argv[2])
deadline = None
ready, go = os.pipe()
child, master = pty.fork()
if child == 0:
    os.close(go)
    os.read(ready, 1)
    os.close(ready)
    os.close(3)
    try:
        os.execvp(sys.argv[3], sys.argv[3:])
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        os.write(2, ("there is no program %s\\r\\n" % sys.argv[3] if missing else "%s\\r\\n" % error).encode())
        os._exit(127 if missing else 126)
os.close(ready)
woken, waker = os.pipe()
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)
signal.signal(signal.SIGTERM, terminate)
resize(rows, columns)
os.write(go, b"1")
os.close(go)
sources = [0, 3, master, woken]
sizes = b""
while master in sources:
    if deadline is not None and time.monotonic() > deadline:
        break
    try:
        for source in select.select(sources, [], [], 0.1 if deadline else None)[0]:
            try:
                data = os.read(source, 65536)
            except OSError:
                data = b""
            if not data:
                sources.remove(source)
                if source == 0:
                    send(master, termios.tcgetattr(master)[6][termios.VEOF])
            elif source == 0:
                send(master, data)
            elif source == master:
                send(1, data)
            elif source == 3:
                *lines, sizes = (sizes + data).split(b"\\n")
                if lines:
                    resize(*map(int, lines[-1].split()))
    except OSError:
        terminate(None, None)
        break
while deadline is not None and members():
    if time.monotonic() > deadline:
        for member in members():
            try:
                os.kill(member, signal.SIGKILL)
            except OSError:
                pass
    time.sleep(0.05)
status = os.waitpid(child, 0)[1]
os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

/** The command that runs another on a pseudo-terminal; it needs Python 3. */
export function terminalCommand(command: readonly string[], { rows, columns }: TerminalSize): string[] {
  // -I: nothing of the working folder or the user's settings becomes part of it. -S: it starts sooner.
  return ["python3", "-I", "-S", "-c", KEEPER, String(rows), String(columns), ...command];
}
