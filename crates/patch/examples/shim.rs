use artcheck_patch::shim::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let parts = a[2].split(',').map(|p| p.parse().unwrap());
    let o = ShimOptions {
        runtime_paths: a[3..].iter().map(Into::into).collect(),
        plan: ShimPlan::of(parts),
        out: a[1].clone().into(),
        target: None,
        environment: Environment::of_process(),
    };
    match build(&o) { Ok(o) => println!("{}", o.summary), Err(e) => println!("ERROR {e}") }
}
