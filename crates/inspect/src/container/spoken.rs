//! What a file is, in words.

use std::fmt;

use super::binary::{Binary, Format, Platform};
use crate::words::spell;

impl Platform {
    /// Its name in a sentence.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Android => "Android",
            Self::MacOs => "macOS",
            Self::Ios => "iOS",
            Self::IosSimulator => "the iOS simulator",
            Self::MacCatalyst => "Mac Catalyst",
            Self::TvOs => "tvOS",
            Self::WatchOs => "watchOS",
            Self::VisionOs => "visionOS",
            Self::OtherApple => "another of Apple's systems",
            Self::Windows => "Windows",
            Self::Web => "the web",
            Self::Unknown => "an unknown system",
        }
    }
}

impl Binary {
    /// The machine that it is for, in a sentence.
    pub fn spoken(&self) -> String {
        match (self.format, self.platform) {
            (Format::VmExecutable, _) => self.to_string(),
            (_, Platform::Unknown) => spell(self.architecture),
            (_, Platform::Web) => String::from("WebAssembly"),
            (_, platform) => format!("{} {}", spell(self.architecture), platform.spoken()),
        }
    }
}

/// As people write it.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MacOs => f.write_str("macos"),
            other => f.write_str(&spell(other)),
        }
    }
}

/// `x86-64 linux (elf)`; what the file does not say is left out.
impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.format == Format::VmExecutable {
            return f.write_str("a bare VM executable");
        }
        f.write_str(&spell(self.architecture))?;
        if self.platform != Platform::Unknown {
            write!(f, " {}", self.platform)?;
        }
        write!(f, " ({})", spell(self.format))
    }
}
