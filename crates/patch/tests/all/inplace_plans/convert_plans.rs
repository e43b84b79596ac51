//! What a runtime needs: config, device payloads; what is refused.

use super::*;

#[test]
fn a_config_of_six_becomes_one_of_five() {
    for (name, runtime) in [
        ("tvm-0.27/dense-cpu-x86_64.so", "tvm-0.26"),
        ("tvm-0.27/dense-cpu-x86_64.so", "tvm-0.25"),
        ("tvm-0.27/hybrid-cpu-x86_64.so", "tvm-0.25"),
        ("tvm-0.27/dense-metal-macos-arm64.dylib", "tvm-0.26"),
    ] {
        let old = bytes(name);
        let plan = convert::plan(&old, &release(runtime), &partial()).expect("a plan");
        let new = carried_out(&old, &plan);
        let changes = &plan.libraries[0].changes;
        assert!(
            matches!(changes[..], [Change::CacheConfig { .. }]),
            "{name}: {changes:?}"
        );
        let configs: Vec<_> = kv_caches(&executable(&new).0)
            .into_iter()
            .flat_map(|cache| cache.config.parts().0.to_vec())
            .collect();
        assert!(
            configs
                .iter()
                .all(|config| config.declared == 5 && config.elements == 5),
            "{configs:?}"
        );
        let signature = if name.ends_with(".dylib") {
            plan.edits.len() - 2
        } else {
            0
        };
        assert_eq!(
            plan.edits.len() - signature,
            2,
            "two words: {:?}",
            plan.edits
        );
        let again = convert::plan(&new, &release(runtime), &partial()).expect("a plan");
        assert!(again.is_empty());
    }
}

#[test]
fn a_layer_that_slides_on_its_own_keeps_its_sixth_element() {
    let slides = sliding(&bytes("tvm-0.27/dense-cpu-x86_64.so"));
    let error = convert::plan(&slides, &release("tvm-0.26"), &ConvertOptions::default())
        .expect_err("a sliding layer");
    let text = error.to_string();
    assert!(matches!(error, PlanError::Refused(_)));
    assert!(
        text.contains("AC105") && text.contains("layer 1 has a sliding window of its own"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_made_right_in_place_is_refused_with_the_remedy() {
    let old = bytes("tvm-0.25/dense-ext-cpu-x86_64.so");
    let error = convert::plan(&old, &release("tvm-0.27"), &ConvertOptions::default())
        .expect_err("another slot");
    let text = error.to_string();
    assert!(text.contains("AC202") && text.contains("shim"), "{text}");
    let fits = convert::plan(&old, &release("tvm-0.25"), &ConvertOptions::default())
        .expect("its own runtime");
    assert!(fits.is_empty());
    assert_eq!(
        fits.summary,
        ["nothing to change: no known mismatch with tvm-0.25"]
    );
}

#[test]
fn metal_payloads_change_their_order_and_back() {
    let order = |bytes: &[u8]| {
        let blob = library(bytes).blob.expect("a blob");
        blob.modules
            .iter()
            .find_map(|module| match &module.payload {
                Payload::Device(device) => Some((device.order, device.kernels.clone())),
                _ => None,
            })
            .expect("a device payload")
    };
    for name in [
        "tvm-0.26/embedding-metal-linux-x86_64.so",
        "tvm-0.26/dense-metal-macos-arm64.dylib",
    ] {
        let old = bytes(name);
        let plan = convert::plan(&old, &release("tvm-0.23"), &partial()).expect("a plan");
        let older = carried_out(&old, &plan);
        assert_eq!(
            order(&older),
            (PayloadOrder::Before24, order(&old).1),
            "{name}"
        );
        // The version string needs 13 bytes: the scopes give 8, a text the rest.
        let back = convert::plan(&older, &release("tvm-0.26"), &partial()).expect("a plan");
        assert_eq!(order(&carried_out(&older, &back)), order(&old), "{name}");
    }
    let old = bytes("synthetic/embedding-0.26-old-metal-order-metal-linux-x86_64.so");
    let plan = convert::plan(&old, &release("tvm-0.26"), &partial()).expect("a plan");
    let new = carried_out(&old, &plan);
    // TVM 0.26 wrote the same payload in its own order.
    let wrote = library(&bytes("tvm-0.26/embedding-metal-linux-x86_64.so"))
        .blob
        .expect("a blob");
    let made = library(&new).blob.expect("a blob");
    assert_eq!(made.length, wrote.length);
    assert_eq!(order(&new).0, PayloadOrder::Since24);
}

#[test]
fn kernels_lose_and_regain_their_extra_tags() {
    let forms = |bytes: &[u8]| {
        let blob = library(bytes).blob.expect("a blob");
        let device = blob
            .modules
            .iter()
            .find_map(|module| match &module.payload {
                Payload::Device(device) => Some(device.function_info),
                _ => None,
            });
        device.expect("a device payload")
    };
    for name in [
        "tvm-0.27/embedding-opencl-x86_64.so",
        "tvm-0.26/embedding-cuda-x86_64.so",
        "tvm-0.26/embedding-metal-linux-x86_64.so",
    ] {
        let old = bytes(name);
        let plan = convert::plan(&old, &release("tvm-0.20"), &partial())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let plain = carried_out(&old, &plan);
        assert_ne!(forms(&plain), forms(&old), "{name}");
        let back = convert::plan(&plain, &release("tvm-0.26"), &partial()).expect("a plan");
        assert_eq!(forms(&carried_out(&plain, &back)), forms(&old), "{name}");
    }
}

/// The kernels of a system library are in the objects beside the one with the blob.
#[test]
fn the_objects_of_an_archive_are_judged_together() {
    for name in ["embedding-metal-ios.tar", "extcall-cpu-ios.tar"] {
        for compiled in crate::corpus::releases() {
            let old = bytes(&format!("{compiled}/{name}"));
            let plan = convert::plan(&old, &release("tvm-0.27"), &ConvertOptions::default());
            match plan {
                Ok(plan) => assert!(plan.is_empty(), "{compiled}/{name}"),
                // Host code of 0.25 calls a function by a name that is gone.
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        text.contains("TVMBackendGetFuncFromEnv") && !text.contains("AC103"),
                        "{compiled}/{name}: {text}"
                    );
                }
            }
        }
    }
}

/// Objects call by name what a shared library has a slot for.
#[test]
fn an_archive_whose_objects_call_what_the_runtime_lacks_is_refused() {
    let old = bytes("tvm-0.26/extcall-cpu-ios.tar");
    let runtime = release("tvm-0.22");
    let error = convert::plan(&old, &runtime, &ConvertOptions::default())
        .expect_err("the runtime has no TVMFFIHandleInitOnce");
    let text = error.to_string();
    assert!(
        text.contains("AC203") && text.contains("TVMFFIHandleInitOnce"),
        "{text}"
    );
    let plan = convert::plan(&old, &runtime, &partial()).expect("what can be made right");
    assert!(!plan.is_empty());
    assert!(
        plan.notes.iter().any(|note| note.contains("AC203")),
        "{:?}",
        plan.notes
    );
}
