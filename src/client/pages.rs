//! Long lists, fetched page by page as they are read.

use super::{Error, Result};
use futures_core::Stream;
use futures_util::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream, stream::BoxStream};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// The items of a list, page after page. What is created or removed meanwhile may be told or not.
#[must_use = "nothing is fetched until it is read"]
pub struct Pages<T>(BoxStream<'static, Result<T>>);

/// A page, and where the next begins; empty at the end.
pub(super) type Page<T> = (Vec<T>, String);

impl<T: Send + 'static> Pages<T> {
    /// Fetches by the token of the page before; the first has none.
    pub(super) fn new(
        fetch: impl Fn(String) -> BoxFuture<'static, Result<Page<T>>> + Send + 'static,
    ) -> Self {
        let pages = stream::try_unfold(Some(String::new()), move |token| {
            let page = token.map(&fetch);
            async move {
                let Some(page) = page else { return Ok::<_, Error>(None) };
                let (items, next) = page.await?;
                Ok(Some((stream::iter(items).map(Ok), Some(next).filter(|token| !token.is_empty()))))
            }
        });
        Self(pages.try_flatten().boxed())
    }

    /// The next item; none at the end. After an error there is none.
    pub async fn next(&mut self) -> Option<Result<T>> {
        self.0.next().await
    }

    /// All that is left.
    ///
    /// # Errors
    /// The first one of a page; what was read before it is lost.
    pub async fn all(self) -> Result<Vec<T>> {
        self.0.try_collect().await
    }
}

impl<T> Stream for Pages<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(fails_at: &'static str) -> Pages<u32> {
        Pages::new(move |token| {
            Box::pin(async move {
                match token.as_str() {
                    failing if failing == fails_at => Err(Error::Ended),
                    "" => Ok((vec![1, 2], "b".to_owned())),
                    "b" => Ok((vec![], "c".to_owned())),
                    _ => Ok((vec![3], String::new())),
                }
            })
        })
    }

    #[tokio::test]
    async fn pages_follow_each_other_to_the_last() {
        assert_eq!(pages("none").all().await.unwrap(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn an_error_ends_the_list() {
        let mut pages = pages("c");
        assert_eq!(pages.next().await.unwrap().unwrap(), 1);
        assert_eq!(pages.next().await.unwrap().unwrap(), 2);
        assert!(pages.next().await.unwrap().is_err());
        assert!(pages.next().await.is_none());
    }
}
