//! A panic as one record: which thread, which place, and of its message what cannot hold a person.
//!
//! The standard hook prints the message as it is, and messages quote: `unwrap` prints the error, slicing prints the text that
//! it was to cut. What is fixed in the program is told; what was put together at run time only where its form leaves room
//! for nothing but numbers. The place says the rest.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// Messages of the standard library that hold nothing but numbers, with the numbers left out.
const NUMBERS_ONLY: [&str; 6] = [
    "index out of bounds: the len is # but the index is #",
    "range end index # out of range for slice of length #",
    "range start index # out of range for slice of length #",
    "slice index starts at # but ends at #",
    "source slice length (#) does not match destination slice length (#)",
    "assertion failed: mid <= self.len()",
];

/// Beginnings behind which data follows.
const BEGINNINGS: [&str; 3] = [
    "called `Result::unwrap()` on an `Err` value",
    "assertion `left == right` failed",
    "assertion `left != right` failed",
];

/// From now on a panic of any thread is told by the log, or on standard error where there is none; never with data.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let what = told(panic.payload());
    let place = panic.location().map_or_else(String::new, |place| {
        format!("{}:{}:{}", place.file(), place.line(), place.column())
    });
    // Captured only where RUST_BACKTRACE asks for it; names of functions, no values.
    let trace = Backtrace::capture();
    let trace = match trace.status() {
        BacktraceStatus::Captured => frames(&trace.to_string()),
        _ => String::new(),
    };
    if tracing::dispatcher::has_been_set() {
        tracing::error!(
            thread,
            place,
            what,
            trace,
            "A thread panicked: a defect of the engine."
        );
    } else {
        eprintln!("tandem: a defect of the program: {what} (thread {thread}, {place}) {trace}");
    }
}

/// What may be told of a panic's message.
fn told(payload: &(dyn Any + Send)) -> String {
    if let Some(fixed) = payload.downcast_ref::<&'static str>() {
        return (*fixed).to_owned();
    }
    let withheld = "the message may hold data and is not told";
    let Some(text) = payload.downcast_ref::<String>() else {
        return withheld.to_owned();
    };
    if NUMBERS_ONLY.contains(&without_numbers(text).as_str()) {
        return text.clone();
    }
    match BEGINNINGS
        .iter()
        .find(|beginning| text.starts_with(*beginning))
    {
        Some(beginning) => format!("{beginning} ({withheld})"),
        None => withheld.to_owned(),
    }
}

/// Each run of digits becomes "#". Long runs stay, so that no number of a person passes for a length.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for character in text.chars().chain(std::iter::once('\0')) {
        if character.is_ascii_digit() {
            run.push(character);
            continue;
        }
        match run.len() {
            0 => {}
            1..=7 => out.push('#'),
            _ => out.push_str(&run),
        }
        run.clear();
        if character != '\0' {
            out.push(character);
        }
    }
    out
}

/// The functions of a backtrace on one line, without the places in other people's files.
fn frames(trace: &str) -> String {
    trace
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("at "))
        .filter_map(|line| line.split_once(": ").map(|(_, function)| function))
        .filter(|function| function.contains("tandem"))
        .collect::<Vec<_>>()
        .join(" < ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload_of(act: impl FnOnce() + Send + 'static) -> String {
        let joined = std::thread::Builder::new().spawn(act).unwrap().join();
        told(joined.unwrap_err().as_ref())
    }

    #[test]
    fn what_a_panic_was_about_is_not_told() {
        let name = "Trần Thị Mai Hương +84900000412".to_owned();
        let quoted = name.clone();
        let cut = name.clone();
        let compared = name.clone();
        let said = [
            payload_of(move || panic!("no card for {name}")),
            payload_of(move || {
                let parsed: Result<u8, String> = std::hint::black_box(Err(quoted));
                std::hint::black_box(parsed.unwrap());
            }),
            // Inside the two bytes of "ầ".
            payload_of(move || drop(std::hint::black_box(&cut[..3]).to_owned())),
            payload_of(move || assert_eq!(compared, "nobody")),
            payload_of(|| {
                std::hint::black_box("+84900000412".parse::<u8>().expect("a small number"));
            }),
            payload_of(|| {
                let none: Option<u8> = std::hint::black_box(None);
                none.expect("+84900000412 is known");
            }),
        ];
        for said in said {
            assert!(!said.contains("Tr") && !said.contains("849"), "{said}");
            assert!(said.contains("is not told"), "{said}");
        }
    }

    #[test]
    fn what_the_program_fixed_and_mere_lengths_are_told() {
        assert_eq!(
            payload_of(|| panic!("the floor has two heads")),
            "the floor has two heads"
        );
        let at = std::hint::black_box(7);
        assert_eq!(
            payload_of(move || {
                std::hint::black_box([1, 2, 3][std::hint::black_box(at)]);
            }),
            "index out of bounds: the len is 3 but the index is 7"
        );
        assert_eq!(
            told(&"index out of bounds: the len is 3 but the index is 84900000412".to_owned()),
            "the message may hold data and is not told"
        );
    }
}
