import cv2, numpy as np, time, imagecodecs, statistics
cv2.setNumThreads(1)
y,x=np.mgrid[:2000,:2500]; rng=np.random.default_rng(0)
sh=128+60*np.sin(x/90)+50*np.cos(y/70)
im=np.dstack([sh+rng.normal(0,4,sh.shape) for k in range(3)]).clip(0,255).astype(np.uint8)
cv2.imwrite("/tmp/w/dec-out/a.jpg",im); d=open("/tmp/w/dec-out/a.jpg","rb").read(); a=np.frombuffer(d,np.uint8)
fs={"imread":lambda:cv2.imread("/tmp/w/dec-out/a.jpg",-1),"imdec":lambda:cv2.imdecode(a,-1),"rgb":lambda:cv2.imdecode(a,cv2.IMREAD_COLOR_RGB|cv2.IMREAD_IGNORE_ORIENTATION),"bgr":lambda:cv2.imdecode(a,cv2.IMREAD_COLOR|128),"bgr2rgb":lambda:cv2.cvtColor(cv2.imdecode(a,cv2.IMREAD_COLOR|128),cv2.COLOR_BGR2RGB),"ic":lambda:imagecodecs.jpeg8_decode(d),"unch_rgb":lambda:cv2.imdecode(a,cv2.IMREAD_COLOR_RGB)}
t={k:[] for k in fs}
for r in range(12):
    for k,f in fs.items():
        s=time.process_time(); f(); t[k].append(time.process_time()-s)
print({k:round(1e3*min(v),1) for k,v in t.items()},{k:round(1e3*statistics.median(v),1) for k,v in t.items()})
