//! The comments of the contract, which are the API reference.

use prost_reflect::{
    EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};

/// What a comment says; empty where there is none.
pub(super) struct Comment(String);

impl Comment {
    pub(super) fn of_method(method: &MethodDescriptor) -> Self {
        Self::at(&method.parent_service().parent_file(), method.path())
    }

    pub(super) fn of_message(message: &MessageDescriptor) -> Self {
        Self::at(&message.parent_file(), message.path())
    }

    pub(super) fn of_field(field: &FieldDescriptor) -> Self {
        Self::at(&field.parent_message().parent_file(), field.path())
    }

    pub(super) fn of_enum(values: &EnumDescriptor) -> Self {
        Self::at(&values.parent_file(), values.path())
    }

    fn at(file: &FileDescriptor, path: &[i32]) -> Self {
        let source = file.file_descriptor_proto().source_code_info.as_ref();
        let mut locations = source.into_iter().flat_map(|source| &source.location);
        let found = locations.find(|location| location.path == path);
        Self(found.map(|location| location.leading_comments().to_owned()).unwrap_or_default())
    }

    /// Its paragraphs; the lines of one are joined.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in self.0.lines() {
            let line = line.strip_prefix(' ').unwrap_or(line);
            let apart = line.is_empty() || line.trim_start().starts_with("- ");
            if !text.is_empty() && !text.ends_with('\n') {
                text.push(if apart { '\n' } else { ' ' });
            }
            text.push_str(line);
            if line.is_empty() {
                text.push('\n');
            }
        }
        text.trim().to_owned()
    }

    /// Its first sentence.
    pub(super) fn summary(&self) -> String {
        let text = self.text();
        let end = text.find(". ").or_else(|| text.find(".\n")).map_or(text.len(), |end| end + 1);
        text[..end].to_owned()
    }
}

pub(super) fn of_service(service: &ServiceDescriptor) -> String {
    Comment::at(&service.parent_file(), service.path()).text()
}
