//! TLS on one agent's socket, for a pipe that many threads write to: takes what fits, never waits, keeps what the kernel did not take.
//!
//! Sealed octets cannot be taken back, so a text is either taken whole or not at all; what of it is on its way is the session's to keep.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;

/// The session behind a greeted socket.
pub(super) struct Sealed(Box<ServerConnection>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed")
    }
}

/// The socket as the session's own reader and writer want it.
struct Try<'a>(&'a TcpStream);

impl Read for Try<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Try<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.try_write(octets)
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sealed {
    pub(super) fn new(mut session: ServerConnection) -> Sealed {
        // A frame is taken whole; the pipe begins none while another is on its way, so one frame bounds it.
        session.set_buffer_limit(None);
        Sealed(Box::new(session))
    }

    /// Whether sealed octets wait for the kernel.
    pub(super) fn waits(&self) -> bool {
        self.0.wants_write()
    }

    /// Hands sealed octets to the kernel. `WouldBlock`: it has no room for all of them.
    pub(super) fn flush(&mut self, tcp: &TcpStream) -> io::Result<()> {
        while self.0.wants_write() {
            if self.0.write_tls(&mut Try(tcp))? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Takes all of `parts`, and hands on what the kernel takes at once. Octets taken.
    pub(super) fn write(&mut self, tcp: &TcpStream, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = 0;
        for part in parts {
            self.0.writer().write_all(part)?;
            taken += part.len();
        }
        match self.flush(tcp) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Reads opened octets. `WouldBlock`: none are there yet; 0: the far side has ended.
    pub(super) fn read(&mut self, tcp: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A far side that goes without saying so is gone all the same: frames tell where messages end.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            if self.0.read_tls(&mut Try(tcp))? == 0 {
                // Told to the session, or its reader would say for ever that something may still come.
                let _ = self.0.process_new_packets();
                return match self.0.reader().read(buffer) {
                    Ok(count) => Ok(count),
                    Err(_) => Ok(0),
                };
            }
            let read = self.0.process_new_packets();
            // What TLS itself has to say: an alert, a new key. What does not fit goes with the next text.
            let _ = self.flush(tcp);
            read.map_err(|fault| io::Error::new(ErrorKind::InvalidData, fault))?;
        }
    }

    /// Says goodbye, as far as the kernel takes it.
    pub(super) fn close(&mut self, tcp: &TcpStream) {
        self.0.send_close_notify();
        let _ = self.flush(tcp);
    }
}
