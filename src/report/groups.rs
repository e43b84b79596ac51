//! Findings that say the same of several runtimes, taken together.

use super::model::Finding;

/// One problem and every runtime that has it.
pub struct Group<'a> {
    /// The first finding of the group.
    pub finding: &'a Finding,
    /// Runtimes, in order; empty when it holds everywhere.
    pub runtimes: Vec<&'a str>,
}

/// Groups findings by rule, artifact, severity and message, in order.
pub fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for finding in findings {
        let known = groups.iter_mut().find(|group| {
            group.finding.rule == finding.rule
                && group.finding.artifact == finding.artifact
                && group.finding.severity == finding.severity
                && group.finding.message == finding.message
        });
        let group = match known {
            Some(group) => group,
            None => {
                groups.push(Group {
                    finding,
                    runtimes: Vec::new(),
                });
                let last = groups.len() - 1;
                &mut groups[last]
            }
        };
        if let Some(runtime) = &finding.runtime
            && !group.runtimes.contains(&runtime.as_str())
        {
            group.runtimes.push(runtime);
        }
    }
    groups
}
