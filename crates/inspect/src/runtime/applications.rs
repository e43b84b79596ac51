//! Applications and frameworks with parts for several machines, of which a system takes those
//! for its own.
//!
//! Android installs `lib/ABI/*.so` of one ABI and nothing below that (its package manager's
//! `NativeLibraryHelper`; the ABIs: the NDK's guide "Android ABIs"). Xcode takes one folder
//! of an `.xcframework`.

use crate::container::Architecture;
use crate::place::Place;

/// Folders of libraries for Android, by their names.
const ABIS: [(&str, Architecture); 5] = [
    ("arm64-v8a", Architecture::Aarch64),
    ("armeabi-v7a", Architecture::Arm),
    ("riscv64", Architecture::Riscv64),
    ("x86", Architecture::X86),
    ("x86_64", Architecture::X86_64),
];
/// What the folders of those lie in: in an application, in a library, and in sources.
const AROUND: [&str; 3] = ["lib", "jni", "jniLibs"];

/// A folder for one ABI.
pub(crate) struct Abi {
    /// The folder.
    pub(crate) folder: Place,
    /// What its name stands for.
    pub(crate) architecture: Architecture,
}

/// The folder for one ABI that a file lies in.
pub(crate) fn abi(place: &Place) -> Option<Abi> {
    place.folders().find_map(|folder| {
        let mut known = ABIS.iter();
        let (_, architecture) = known.find(|(name, _)| folder.name() == *name)?;
        let around = folder.folder()?;
        let is_of_libraries = AROUND.iter().any(|name| around.name() == *name);
        is_of_libraries.then_some(Abi {
            folder,
            architecture: *architecture,
        })
    })
}

/// What holds the same for other machines beside a file.
pub(crate) fn package(place: &Place) -> Option<Place> {
    let mut folders = place.folders();
    let framework = folders.find(|folder| folder.raw_name().ends_with(b".xcframework"));
    framework.or_else(|| abi(place)?.folder.folder())
}

/// Whether a file is one of an application for Android: all its libraries are in it.
pub(crate) fn is_of_android(place: &Place) -> bool {
    let mut folders = place.folders();
    folders.any(|folder| folder.raw_name().ends_with(b".apk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_an_abi_lie_in_those_of_libraries() {
        let app = Place::file("a.apk");
        let place = app.member(b"lib/armeabi-v7a/sub/libx.so", 1);
        let found = abi(&place).unwrap();
        assert_eq!(found.architecture, Architecture::Arm);
        assert_eq!(found.folder, app.member(b"lib/armeabi-v7a", 1));
        assert!(is_of_android(&place));
        assert!(abi(&Place::file("x86_64/lib/libx.so")).is_none());
        let framework = Place::file("T.xcframework/ios-arm64/TVM.framework/TVM");
        assert_eq!(package(&framework), Some(Place::file("T.xcframework")));
    }
}
