#![doc = include_str!("../README.md")]

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, parse_macro_input};

/// Makes the struct's fields a document's: see `dsys_crdt::schema`.
///
/// Beside the struct it makes its view, `NAMEView`, whose fields are views of the struct's fields. The struct must have named
/// fields and no generic parameters.
#[proc_macro_derive(Crdt)]
pub fn derive_crdt(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream, Error> {
    let (name, vis) = (&input.ident, &input.vis);
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a document's type has no generic parameters"));
    }
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            _ => return Err(Error::new_spanned(name, "a document's fields have names")),
        },
        _ => return Err(Error::new_spanned(name, "a document's type is a struct")),
    };
    let view = format_ident!("{name}View");
    let doc = format!("A [`{name}`] within a change, or a look, at a document.");
    let all: Vec<_> = fields.iter().map(|field| (&field.vis, &field.ident, &field.ty)).collect();
    let declared = all.iter().map(|(vis, ident, ty)| {
        quote! { #[allow(missing_docs)] #vis #ident: <#ty as ::dsys_crdt::schema::Field>::View<'a> }
    });
    // A raw identifier's name in the document is the plain one.
    let key = |ident: &Option<syn::Ident>| {
        ident.as_ref().map(|it| it.to_string().trim_start_matches("r#").to_owned())
    };
    let views = all.iter().map(|(_, ident, ty)| {
        let key = key(ident);
        quote! { #ident: <#ty as ::dsys_crdt::schema::Field>::view(place.child(#key)) }
    });
    let begins = all.iter().map(|(_, ident, ty)| {
        let key = key(ident);
        quote! { <#ty as ::dsys_crdt::schema::Field>::begin(&place.child(#key))?; }
    });
    let idents = all.iter().map(|(_, ident, _)| ident);
    Ok(quote! {
        #[doc = #doc]
        #[derive(Debug)]
        #vis struct #view<'a> { #(#declared),* }

        #[automatically_derived]
        impl ::dsys_crdt::schema::Field for #name {
            type View<'a> = #view<'a>;

            fn view(place: ::dsys_crdt::schema::Place<'_>) -> #view<'_> {
                #view { #(#views),* }
            }

            fn begin(place: &::dsys_crdt::schema::Place<'_>) -> ::core::result::Result<(), ::dsys_crdt::doc::DocError> {
                place.begin_map()?;
                #(#begins)*
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl ::dsys_crdt::schema::Crdt for #name {}

        // The struct is a description: nobody makes one, or reads its fields.
        const _: () = {
            #[allow(dead_code)]
            fn described(it: &#name) {
                #(let _ = &it.#idents;)*
            }
        };
    })
}
