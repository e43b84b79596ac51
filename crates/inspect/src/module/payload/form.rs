//! The layouts that device payloads have had.

use crate::module::{DeviceCode, DevicePayload, FunctionInfoForm, KernelInfo, PayloadOrder};

/// One way to lay out a device payload.
#[derive(Clone, Copy)]
pub(in crate::module) struct Form {
    pub(super) order: PayloadOrder,
    pub(super) function_info: FunctionInfoForm,
}

impl Form {
    /// The only order that the count-first layout ever held.
    pub(in crate::module) fn before_024(function_info: FunctionInfoForm) -> Self {
        Self {
            order: PayloadOrder::Before24,
            function_info,
        }
    }

    /// Newest first.
    pub(super) const ALL: [Self; 4] = [
        Self {
            order: PayloadOrder::Since24,
            function_info: FunctionInfoForm::ExtraTags,
        },
        Self {
            order: PayloadOrder::Before24,
            function_info: FunctionInfoForm::ExtraTags,
        },
        Self {
            order: PayloadOrder::Since24,
            function_info: FunctionInfoForm::Plain,
        },
        Self {
            order: PayloadOrder::Before24,
            function_info: FunctionInfoForm::Plain,
        },
    ];
    /// What was read in this form.
    pub(super) fn payload(
        self,
        order: PayloadOrder,
        code_format: String,
        kernels: Vec<KernelInfo>,
        code: Vec<DeviceCode>,
    ) -> DevicePayload {
        DevicePayload {
            order,
            // A payload without kernels has no `FunctionInfo` to tell its form by.
            function_info: match kernels.is_empty() {
                true => FunctionInfoForm::Either,
                false => self.function_info,
            },
            code_format,
            kernels,
            code,
            needs: Vec::new(),
            merges: Vec::new(),
        }
    }
}
