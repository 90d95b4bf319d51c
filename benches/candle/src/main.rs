//! Times one of candle's networks: `benches/networks.py` calls this with the arguments of our own example.

use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device, Result, Tensor, safetensors};
use candle_nn::{Module, VarBuilder};
use candle_transformers::models::clip::vision_model::{ClipVisionConfig, ClipVisionTransformer};
use candle_transformers::models::stable_diffusion::{StableDiffusionConfig, clip};

/// A network in memory with its input: each call computes once.
type Computation = Box<dyn Fn() -> Result<Tensor>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, folder, inputs, output, rounds] = arguments.as_slice() else {
        panic!("expected NETWORK FOLDER INPUTS.safetensors OUTPUT ROUNDS, found {arguments:?}");
    };
    let inputs = safetensors::load(inputs, &Device::Cpu)?;
    let input = |name: &str| inputs[name].clone();
    let began = Instant::now();
    let compute = load(network, Path::new(folder), input)?;
    let loading = began.elapsed().as_secs_f64();
    let mut answer = compute()?;
    let mut seconds = Vec::new();
    for _ in 0..rounds.parse().unwrap() {
        let began = Instant::now();
        answer = compute()?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    let numbers: Vec<f32> = answer.flatten_all()?.to_vec1()?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(output, bytes).unwrap();
    println!("{}", serde_json::json!({"loading": loading, "seconds": seconds}));
    Ok(())
}

fn load(network: &str, folder: &Path, input: impl Fn(&str) -> Tensor) -> Result<Computation> {
    let config = StableDiffusionConfig::v2_1(None, Some(512), Some(512));
    let device = Device::Cpu;
    let diffusion = folder.join("diffusion_pytorch_model.safetensors");
    // SAFETY: nobody changes the file while this runs.
    let mapped = || unsafe {
        VarBuilder::from_mmaped_safetensors(&[folder.join("model.safetensors")], DType::F32, &device)
    };
    Ok(match network {
        "unet" | "half" => {
            let unet = config.build_unet(diffusion, &device, 4, false, DType::F32)?;
            let (sample, text) = (input("sample"), input("text"));
            Box::new(move || unet.forward(&sample, 500.0, &text))
        }
        "decoder" => {
            let autoencoder = config.build_vae(diffusion, &device, DType::F32)?;
            let latents = (input("latents") / 0.18215)?;
            Box::new(move || autoencoder.decode(&latents))
        }
        "text" => {
            // Transformers 5 leaves out the tower's name.
            let plain = |name: &str| name.trim_start_matches("text_model.").to_owned();
            let text = clip::ClipTextTransformer::new(mapped()?.rename_f(plain), &config.clip)?;
            let tokens = input("tokens").to_dtype(DType::U32)?;
            // Its mask takes one text at a time.
            let each = move |row| text.forward(&tokens.narrow(0, row, 1)?);
            Box::new(move || Tensor::cat(&[each(0)?, each(1)?], 0))
        }
        "clip" => {
            let config = ClipVisionConfig {
                image_size: 224,
                ..ClipVisionConfig::clip_vit_large_patch14_336()
            };
            let tower = ClipVisionTransformer::new(mapped()?.pp("vision_model"), &config)?;
            let projection =
                candle_nn::linear_no_bias(1024, 768, mapped()?.pp("visual_projection"))?;
            let pixels = input("pixels");
            Box::new(move || {
                let features = projection.forward(&tower.forward(&pixels)?)?;
                features.broadcast_div(&features.sqr()?.sum_keepdim(1)?.sqrt()?)
            })
        }
        other => panic!("candle has no network `{other}`: unet, decoder, text, clip"),
    })
}
