//! Does what a gate of the process stands for.

use std::path::Path;

use super::images::Images;
use super::service::{Own, Service};
use super::turn::Turn;
use super::{dyld, host, local};
use crate::macho::callouts::Answer;
use crate::macho::emulator::Arguments;
use crate::macho::error::Result;
use crate::macho::native;

/// What a call-out may need of the process.
pub(super) struct Process<'a> {
    pub id: u64,
    pub images: &'a Images,
    pub turn: &'a Turn,
    /// Loads a library; its handle.
    pub open: &'a dyn Fn(&Path) -> Result<u64>,
}

type Outcome = std::result::Result<Answer, String>;

impl Process<'_> {
    pub(super) fn perform(&self, service: &Service, a: &Arguments) -> Outcome {
        match service {
            Service::Host(address) => {
                let word = local::with_error(|| native::call_function(*address, &a.words));
                Ok(Answer::Word(word))
            }
            Service::Compute(number) => number
                .answer(&a.words, a.doubles)
                .ok_or_else(|| "a function that is of no use here".to_owned()),
            Service::Own(own) => self.own(*own, a),
            Service::Missing(name) => Err(format!("it calls `{name}`, which is not provided here")),
        }
    }

    fn own(&self, own: Own, a: &Arguments) -> Outcome {
        let w = &a.words;
        let images = self.images;
        Ok(Answer::Word(match own {
            Own::ThreadLocal => self.thread_local(w[0])?,
            Own::ErrorPlace => local::error_place(),
            Own::Nothing => 0,
            Own::UnwindSections => dyld::unwind_sections(images, w[0], w[1]),
            Own::ImageCount => images.all().len() as u64,
            Own::ImageName => dyld::image(images, w[0], |i| i.name.as_ptr() as u64),
            Own::ImageSlide | Own::ImageHeader => dyld::image(images, w[0], |i| i.mapped.base()),
            Own::Open => self.open(w[0], w[1]),
            Own::Symbol => self.symbol(w[0], w[1]),
            Own::LoaderError => local::loader_error(),
            Own::AddressInfo => dyld::address_info(images, w[0], w[1]),
            Own::ToDouble => {
                let mut number = 0.0;
                local::with_error(|| {
                    number = host::to_double(w[0], w[1]);
                    0
                });
                return Ok(Answer::Double(number.to_bits()));
            }
            Own::ToFloat => {
                let mut number = 0.0;
                local::with_error(|| {
                    number = host::to_float(w[0], w[1]);
                    0
                });
                return Ok(Answer::Double(number.to_bits().into()));
            }
            Own::SplitDouble => {
                let number = f64::from_bits(a.doubles[0]);
                host::write_words(w[0], &[number.trunc().to_bits()]);
                let rest = if number.is_infinite() {
                    0.0
                } else {
                    number.fract()
                };
                return Ok(Answer::Double(rest.copysign(number).to_bits()));
            }
            Own::Abort => return Err("it calls `abort`".to_owned()),
            Own::Exit => return Err(format!("it ends the process, with status {}", w[0] as u32)),
            Own::Format => host::format(w[0], w[1], w[2], w[3]),
            Own::ThreadWords => local::words(self.id),
            Own::Yield => {
                self.turn.pass();
                0
            }
            Own::Clock => host::clock(w[0], w[1]),
            Own::OpenFile => local::with_error(|| host::open(w[0], w[1], w[2])),
            Own::Stat => local::with_error(|| host::stat(w[0], w[1], w[2])),
            Own::Map => local::with_error(|| host::map(w[1], w[2], w[3], w[4])),
            Own::Stream => host::stream(w[0]),
            Own::Refuse => return Err(host::text(w[0])),
        }))
    }

    /// A descriptor holds the loader's function, the image and an offset.
    fn thread_local(&self, descriptor: u64) -> std::result::Result<u64, String> {
        let id = native::read_word(descriptor.wrapping_add(8));
        let offset = native::read_word(descriptor.wrapping_add(16));
        let image = self.images.find(|image| image.id == id);
        let image = image.ok_or("a thread-local variable of no image")?;
        local::variable(self.id, &image, offset)
    }

    fn open(&self, path: u64, mode: u64) -> u64 {
        if path == 0 {
            return dyld::DEFAULT;
        }
        let path = host::text(path);
        let words = if Path::new(&path).exists() {
            match (self.open)(Path::new(&path)) {
                Ok(handle) => return handle,
                Err(error) => error.to_string(),
            }
        } else {
            format!("tried: '{path}' (no such file)")
        };
        local::set_loader_error(&format!("dlopen({path}, {mode:#06x}): {words}"));
        0
    }

    fn symbol(&self, handle: u64, name: u64) -> u64 {
        let name = host::text(name);
        dyld::symbol(self.images, handle, &name).unwrap_or_else(|| {
            local::set_loader_error(&format!("dlsym({handle:#x}, {name}): symbol not found"));
            0
        })
    }
}
