//! The Rust client of `TVMDeviceAPI*` as a library for macOS: 42 if all is well.

#[path = "../../../crates/patch/tests/programs/device_client.rs"]
mod device_client;

#[unsafe(no_mangle)]
pub extern "C" fn client(kind: i32) -> i32 {
    match device_client::round_trip(device_client::Device { kind, id: 0 }) {
        Ok(()) => 42,
        Err(step) => {
            println!("failed: {step}");
            1
        }
    }
}
