//! TVM's packages in a `site-packages` folder that has no list of their files, as slimmed
//! images and some packagers leave it: what an import of them asks for in vain.

use std::collections::BTreeSet;

use super::ffi_package::Files;
use super::lost_needs::unlinked;
use super::site::Site;
use crate::place::Place;
use crate::python::closure::Closure;
use crate::runtime::distribution;
use crate::runtime::installation::{Brings, Installation, Unmet};

/// Folders of packages, and the packages' names.
const PACKAGES: [(&str, &str, Brings); 2] = [
    ("tvm_ffi", distribution::FFI, Brings::Ffi),
    ("tvm", distribution::TVM, Brings::Runtime),
];
/// What releases of TVM and tvm-ffi require and import, as their `METADATA` says (0.25 to
/// 0.27). Any other module that is not in the folder may be one of Python's own.
const REQUIRED: [&str; 4] = ["ml_dtypes", "numpy", "psutil", "typing_extensions"];

/// What is wrong with packages that are not listed.
pub(super) fn look(site: &Site) -> Vec<Installation> {
    let unlisted = PACKAGES.into_iter().filter(|(folder, ..)| {
        let first = site.folder.join(folder).join("__init__.py");
        first.is_file() && !site.lists(&format!("{folder}/__init__.py"))
    });
    // TVM imports tvm-ffi: what that lacks is told once.
    let mut told: BTreeSet<String> = BTreeSet::new();
    let found = unlisted.map(|(folder, name, brings)| {
        let place = Place::file(site.folder.join(folder));
        let mut found = Installation::new(place, name.to_owned(), brings);
        ask(site, folder, &mut told, &mut found);
        found
    });
    found.filter(|one| one.faults() > 0).collect()
}

fn ask(site: &Site, folder: &str, told: &mut BTreeSet<String>, found: &mut Installation) {
    let modules = [folder.to_owned()];
    let closure = Closure::of(
        &site.modules,
        &modules,
        &BTreeSet::new(),
        site.interpreter(),
    );
    found.not_read.clone_from(&closure.not_read);
    if found.brings == Brings::Ffi {
        found.unlinked = unlinked(closure.compiled.iter().cloned(), &site.folder, None);
        let files = Files::in_folder(&site.folder.join(folder));
        found.vital = files.lost_library();
        found.missing.extend(found.vital.clone());
    }
    let top = |module: &str| module.split('.').next().unwrap_or(module).to_owned();
    let is_own = |module: &str| PACKAGES.iter().any(|(own, ..)| *own == top(module));
    let is_required = |module: &str| site.is_whole && REQUIRED.contains(&top(module).as_str());
    let absent = closure.absent.iter();
    let absent = absent
        .filter(|(module, _)| !told.contains(*module) && (is_own(module) || is_required(module)));
    // What Python meets first is what it says.
    let Some((module, (file, _))) = absent.min_by_key(|(_, (_, order))| *order) else {
        return;
    };
    told.insert(module.clone());
    let says = format!("ModuleNotFoundError: No module named '{module}'");
    let fails = Some((file.clone(), says));
    if is_own(module) {
        let file = module.replace('.', "/");
        found.vital = Some(file.clone());
        found.missing.push(file);
        found.fails = fails;
    } else {
        found.unmet.push(Unmet {
            name: top(module).replace('_', "-"),
            specification: String::new(),
            installed: None,
            may_be_elsewhere: false,
            fails,
        });
    }
}
