//! Whether the program of a virtual environment, `bin/python`, is the Python whose folder
//! the packages lie in. Nothing is executed: the names of the files that it leads to say it.

use std::path::{Path, PathBuf};

use super::site::Site;
use crate::python::pth;
use crate::runtime::installation::Installation;

/// Links, one after the other.
const MOST_LINKS: usize = 16;

/// What is wrong with the Python of the environment that a package is in.
pub(super) fn look(site: &Site, found: &mut Installation) {
    // `lib/python3.11/site-packages`
    let (Some(python), Some(root)) = (&site.python, site.folder.ancestors().nth(3)) else {
        return;
    };
    let named = format!("python{python}");
    let library = site.folder.parent();
    if site.is_unpacked || library.is_none_or(|library| !library.ends_with(&named)) {
        return;
    }
    let program = root.join("bin/python");
    if !root.join("pyvenv.cfg").is_file() {
        // What Python itself is installed in has its own modules there.
        let is_own = library.is_some_and(|library| library.join("os.py").exists());
        if root.join("bin/activate").is_file() && !is_own {
            found.not_read = Some(String::from("its environment has no pyvenv.cfg"));
        }
        return;
    }
    if !program.is_symlink() {
        return;
    }
    match leads_to(&program, python, pth::setting(&site.folder, "home")) {
        Program::Of(other) if other != *python => {
            let own = root.join(format!("lib/python{other}/site-packages/tvm_ffi"));
            if !own.exists() {
                found.other_interpreter = Some((other, python.clone()));
            }
        }
        Program::Perhaps(other) if other != *python => {
            found.not_read = Some(format!(
                "bin/python is Python {other} on this machine, and the packages are for {python}"
            ));
        }
        Program::Gone(file) => {
            let file = file.display();
            found.not_read = Some(format!("bin/python leads to {file}, which is not there"));
        }
        Program::Of(_) | Program::Perhaps(_) | Program::Unknown => {}
    }
}

/// What a program is.
enum Program {
    /// Python of this version, by the names of the links.
    Of(String),
    /// The same where the link is the one that the environment was made with: on the
    /// machine that it is from, another file may be there.
    Perhaps(String),
    /// Nothing is there.
    Gone(PathBuf),
    Unknown,
}

fn leads_to(program: &Path, python: &str, home: Option<String>) -> Program {
    let home = home.map(PathBuf::from);
    let mut file = program.to_owned();
    let mut is_of_home = false;
    for _ in 0..MOST_LINKS {
        let Ok(target) = std::fs::read_link(&file) else {
            break;
        };
        file = file.parent().unwrap_or(&file).join(target);
        // The environment's own names are links like any other.
        let is_own = file.parent() == program.parent();
        if let Some(version) = version_of(&file).filter(|_| !is_own) {
            return match is_of_home {
                _ if version == python && !is_there(&file, program) => Program::Gone(file),
                true => Program::Perhaps(version),
                false => Program::Of(version),
            };
        }
        is_of_home |= file.parent() == home.as_deref();
    }
    match file.symlink_metadata() {
        Ok(_) => Program::Unknown,
        Err(_) => Program::Gone(file),
    }
}

/// Whether a link leads to a file, on this machine or in the folder that is a system's.
fn is_there(file: &Path, program: &Path) -> bool {
    let Ok(below) = file.strip_prefix("/") else {
        return file.exists();
    };
    let is_in = |root: &Path| root.join(below).symlink_metadata().is_ok();
    file.symlink_metadata().is_ok() || program.ancestors().skip(1).any(is_in)
}

/// `3.12` of `python3.12`.
fn version_of(program: &Path) -> Option<String> {
    let name = program.file_name()?.to_str()?;
    let version = name.strip_prefix("python")?;
    let minor = version.strip_prefix("3.")?;
    let is_number = !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| version.to_owned())
}
