//! The library's errors as Python's.

use std::io;

use pyo3::exceptions::{
    PyFileNotFoundError, PyOSError, PyOverflowError, PyPermissionError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use sharekan::Error;
use sharekan::detect::DetectError;
use sharekan::files::{FileError, FileProblem};
use sharekan::import::ImportError;
use sharekan::run::RunError;

pyo3::create_exception!(
    sharekan,
    ImportRefused,
    PyValueError,
    "A checkpoint or module that cannot be imported exactly; the text names the tensor and says what helps."
);
pyo3::create_exception!(
    sharekan,
    FileRefused,
    PyValueError,
    "A file of this library that is damaged or of a later version; the text names the tensor."
);
pyo3::create_exception!(
    sharekan,
    DeviceError,
    PyRuntimeError,
    "A graphics adapter that is missing, too small for a head, or fails."
);

/// What Python raises for an error of the library; its text is the library's one line.
pub(crate) fn raised(error: impl Into<Error>) -> PyErr {
    let error = error.into();
    let text = error.to_string();
    match kind(&error) {
        Kind::System(kind) => of_system(kind, text),
        Kind::Import => ImportRefused::new_err(text),
        Kind::File => FileRefused::new_err(text),
        Kind::Device => DeviceError::new_err(text),
        Kind::Value => PyValueError::new_err(text),
        Kind::Failure => PyRuntimeError::new_err(text),
    }
}

/// An error of the value of an option, with the option's name: of another type, or a number that no option can have.
pub(crate) fn of_option(py: Python<'_>, key: &str, problem: PyErr) -> PyErr {
    let text = format!("{key}: {}", problem.value(py));
    if problem.is_instance_of::<PyOverflowError>(py) {
        PyValueError::new_err(text)
    } else if problem.is_instance_of::<PyTypeError>(py) {
        PyTypeError::new_err(text)
    } else {
        problem
    }
}

enum Kind {
    System(io::ErrorKind),
    Import,
    File,
    Device,
    Value,
    Failure,
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::File { problem, .. } => kind(problem),
        Error::Files(FileError { problem, .. }) => of_file(problem),
        Error::Import(problem) => of_import(problem),
        Error::Artifact(_) => Kind::File,
        Error::Run(problem) => of_run(problem),
        Error::Plan(_) => Kind::Device,
        Error::Detect(problem) => of_detection(problem),
        Error::Cache(_) => Kind::Failure,
        _ => Kind::Value,
    }
}

fn of_file(problem: &FileProblem) -> Kind {
    match problem {
        FileProblem::Read(problem) | FileProblem::Write(problem) => Kind::System(problem.kind()),
        FileProblem::NoFolder(_) => Kind::System(io::ErrorKind::NotFound),
        FileProblem::Folder | FileProblem::Special => Kind::System(io::ErrorKind::Other),
        FileProblem::Import(problem) => of_import(problem),
        FileProblem::Artifact(_) | FileProblem::Container(_) => Kind::File,
        _ => Kind::Value,
    }
}

fn of_import(problem: &ImportError) -> Kind {
    match problem {
        ImportError::File { problem, .. } => of_import(problem),
        ImportError::Read(problem) if problem.kind() != io::ErrorKind::UnexpectedEof => Kind::System(problem.kind()),
        _ => Kind::Import,
    }
}

fn of_run(problem: &RunError) -> Kind {
    match problem {
        RunError::Length { .. } | RunError::Batch { .. } => Kind::Value,
        _ => Kind::Device,
    }
}

fn of_detection(problem: &DetectError) -> Kind {
    match problem {
        DetectError::Device(problem) => of_run(problem),
        DetectError::Unreadable { problem, .. } => Kind::System(problem.kind()),
        DetectError::NoAssets { .. } => Kind::System(io::ErrorKind::NotFound),
        DetectError::Head(_) | DetectError::Panicked { .. } => Kind::Failure,
        _ => Kind::Value,
    }
}

fn of_system(kind: io::ErrorKind, text: String) -> PyErr {
    match kind {
        io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
        io::ErrorKind::PermissionDenied => PyPermissionError::new_err(text),
        _ => PyOSError::new_err(text),
    }
}
