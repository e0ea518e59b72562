//! A program in a terminal of its own, as a user has it: keys go in, and what it draws is read as a screen.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// A terminal, and the program in it.
pub struct Terminal {
    keys: File,
    /// The program's end; kept open, so that its modes can be read after the program.
    line: OwnedFd,
    child: Child,
    drawn: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    raw: Vec<u8>,
}

impl Terminal {
    /// Starts a program, which must not be started yet, in a new terminal of rows and columns. The terminal is
    /// its session's.
    pub fn start(program: &Command, rows: u16, columns: u16) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&controller).expect("granted");
        unlockpt(&controller).expect("unlocked");
        let name = ptsname(&controller, Vec::new()).expect("its name").into_string().expect("text");
        let line = OpenOptions::new().read(true).write(true).open(name).expect("its line");
        tcsetwinsize(&line, size(rows, columns)).expect("its size");
        let end = || Stdio::from(line.try_clone().expect("one more"));
        // `setsid` makes the terminal the controlling one, and then becomes the program.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            command.env(name, value.expect("set"));
        }
        command.current_dir(program.get_current_dir().expect("a place"));
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("setsid starts: apt-get install util-linux");
        let keys = File::from(controller);
        let mut output = keys.try_clone().expect("one more");
        let (sender, drawn) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count) = output.read(&mut chunk) {
                if count == 0 || sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let parser = vt100::Parser::new(rows, columns, 200);
        Self { keys, line: line.into(), child, drawn, parser, raw: Vec::new() }
    }

    /// The program's process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// The terminal's modes.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.line).expect("its modes")
    }

    /// Types.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// Gives the terminal another size, which the kernel tells the program.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.read();
        tcsetwinsize(&self.line, size(rows, columns)).expect("resized");
        self.parser.screen_mut().set_size(rows, columns);
    }

    fn read(&mut self) {
        while let Ok(bytes) = self.drawn.try_recv() {
            self.parser.process(&bytes);
            self.raw.extend(bytes);
        }
    }

    /// What is on the screen.
    pub fn screen(&mut self) -> vt100::Screen {
        self.read();
        self.parser.screen().clone()
    }

    /// The screen's text.
    pub fn text(&mut self) -> String {
        self.screen().contents()
    }

    /// Everything that was written.
    pub fn raw(&mut self) -> String {
        self.read();
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, limit: Duration, wanted: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + limit;
        while !wanted(&self.screen()) {
            assert!(Instant::now() < deadline, "never {what}; the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str, limit: Duration) {
        self.wait_until(text, limit, |screen| screen.contents().contains(text));
    }

    /// Waits for the end.
    #[track_caller]
    pub fn finish(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                // What it wrote last is on its way.
                std::thread::sleep(Duration::from_millis(20));
                self.read();
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end; the screen:\n{}", self.text());
            self.read();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
