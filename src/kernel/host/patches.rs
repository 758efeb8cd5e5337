//! The windows of a convolution as the rows of a matrix, and back: what makes a matrix product of it.

use super::{Shared, share, simd, simd::Job};
use crate::kernel::patches::Windows;
use std::ops::Range;

/// Writes every window of a map, `[batch height width, channels]`, as a row: `[windows, kernel channels]`.
/// What lies outside of the map is 0.
pub(crate) fn im2col(map: &[f32], windows: Windows) -> Vec<f32> {
    let [map_len, columns_len] = windows.lengths();
    assert!(
        map.len() == windows.batch * map_len,
        "a map of {windows:?} has another size"
    );
    let mut columns = Vec::with_capacity(windows.batch * columns_len);
    let output = Shared(columns.as_mut_ptr());
    share(windows.batch, windows.batch * columns_len, |images| {
        simd::dispatch(Gather {
            map,
            windows,
            images,
            output,
        });
    });
    // SAFETY: the images cover the matrix, and each wrote all its rows.
    unsafe { columns.set_len(windows.batch * columns_len) };
    columns
}

/// Adds up what rows of windows have for every element of the map: the adjoint of [`im2col`].
pub(crate) fn col2im(columns: &[f32], windows: Windows) -> Vec<f32> {
    let [map_len, columns_len] = windows.lengths();
    assert!(
        columns.len() == windows.batch * columns_len,
        "the windows of {windows:?} have another size"
    );
    let mut map = vec![0.0; windows.batch * map_len];
    let output = Shared(map.as_mut_ptr());
    share(windows.batch, windows.batch * columns_len, |images| {
        simd::dispatch(Scatter {
            columns,
            windows,
            images,
            output,
        });
    });
    map
}

/// A row of a window that lies in the map: where it begins in the window's row, where in its image, and how
/// many elements it has.
struct Span {
    column: usize,
    element: usize,
    len: usize,
}

impl Windows {
    /// Elements of one image: of the map, and of its windows.
    fn lengths(&self) -> [usize; 2] {
        let single = Windows { batch: 1, ..*self };
        [single.map_shape(), single.columns_shape()].map(|shape| shape.iter().product())
    }

    /// The part of row `line` of the window at `[y, x]` that lies in the map.
    #[inline(always)]
    fn span(&self, [y, x]: [usize; 2], line: usize) -> Option<Span> {
        let row = (y * self.stride[0] + line).checked_sub(self.padding[0])?;
        if row >= self.sides[0] {
            return None;
        }
        let left = x * self.stride[1];
        let skipped = self.padding[1].saturating_sub(left).min(self.kernel[1]);
        let first = (left + skipped).saturating_sub(self.padding[1]);
        let last = (left + self.kernel[1]).saturating_sub(self.padding[1]);
        let end = last.min(self.sides[1]);
        (first < end).then(|| Span {
            column: (line * self.kernel[1] + skipped) * self.channels,
            element: (row * self.sides[1] + first) * self.channels,
            len: (end - first) * self.channels,
        })
    }
}

struct Gather<'a> {
    map: &'a [f32],
    windows: Windows,
    images: Range<usize>,
    output: Shared<f32>,
}

impl Job for Gather<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let windows = self.windows;
        let [map_len, columns_len] = windows.lengths();
        let [lines, width] = windows.kernel;
        let window_len = lines * width * windows.channels;
        for image in self.images {
            let map = &self.map[image * map_len..][..map_len];
            // SAFETY: the rows of this image, which no other task has.
            let columns = unsafe { self.output.slice(image * columns_len, columns_len) };
            let mut rows = columns.chunks_exact_mut(window_len);
            for y in 0..windows.positions[0] {
                for (x, row) in (0..windows.positions[1]).zip(&mut rows) {
                    let mut written = 0;
                    for line in 0..lines {
                        let Some(span) = windows.span([y, x], line) else {
                            continue;
                        };
                        for element in &mut row[written..span.column] {
                            element.write(0.0);
                        }
                        written = span.column + span.len;
                        let numbers = &map[span.element..span.element + span.len];
                        for (element, &number) in row[span.column..written].iter_mut().zip(numbers)
                        {
                            element.write(number);
                        }
                    }
                    for element in &mut row[written..] {
                        element.write(0.0);
                    }
                }
            }
        }
    }
}

struct Scatter<'a> {
    columns: &'a [f32],
    windows: Windows,
    images: Range<usize>,
    output: Shared<f32>,
}

impl Job for Scatter<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let windows = self.windows;
        let [map_len, columns_len] = windows.lengths();
        let [lines, width] = windows.kernel;
        let window_len = lines * width * windows.channels;
        for image in self.images {
            // SAFETY: this image, which no other task has, and which is all zeros.
            let map = unsafe {
                self.output
                    .slice(image * map_len, map_len)
                    .assume_init_mut()
            };
            let columns = &self.columns[image * columns_len..][..columns_len];
            let mut rows = columns.chunks_exact(window_len);
            for y in 0..windows.positions[0] {
                for (x, row) in (0..windows.positions[1]).zip(&mut rows) {
                    for line in 0..lines {
                        let Some(span) = windows.span([y, x], line) else {
                            continue;
                        };
                        let numbers = &row[span.column..span.column + span.len];
                        let elements = &mut map[span.element..span.element + span.len];
                        for (element, &number) in elements.iter_mut().zip(numbers) {
                            *element += number;
                        }
                    }
                }
            }
        }
    }
}
